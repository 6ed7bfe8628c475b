// Everything the emulator knows, in one value that handlers and the control API share.
import { randomBytes } from 'node:crypto'
import { AccessBook, type AccessModel } from './access/book.ts'
import { EmulatorClock, type TimeSource } from './clock.ts'
import { RequestLog } from './control/request-log.ts'
import type { TrustIssuer } from './control/types.ts'
import { FaultRules } from './faults/rules.ts'
import { Throttle } from './faults/throttle.ts'
import type { Names } from './names.ts'
import { createRandom, type Random } from './random.ts'
import { type PagePlan, type PageSizes, pageSizes } from './secrets/page-sizes.ts'
import { Vault } from './secrets/vault.ts'
import { AccessTokens } from './tokens/access-tokens.ts'
import { Directory } from './tokens/directory.ts'
import { IssuerKeys } from './tokens/issuers.ts'

/** Network rules of a vault: what a firewall or a private endpoint makes of a caller outside. */
export type VaultNetwork = 'open' | 'firewall' | 'private'

export interface HostedVault {
	readonly vault: Vault
	readonly tenantId: string
	readonly access: AccessModel
	network: VaultNetwork
}

export interface Settings {
	readonly tenantId: string
	readonly names: Names
	/** Delete, recover and purge show after this. Milliseconds. */
	visibilityDelayMs: number
	tokenLifetimeSeconds: number
	/** Absent: half of a lifetime longer than two hours, else none. */
	refreshInSeconds: number | undefined
	/** How long the pages of lists are; `reset` puts back what the start options say. */
	pages: PagePlan
	readonly startPages: PagePlan
	readonly region: string
	readonly subscriptionId: string
}

export interface EmulatorState {
	readonly settings: Settings
	readonly clock: EmulatorClock
	readonly random: Random
	readonly vaults: Map<string, HostedVault>
	readonly access: AccessBook
	readonly directory: Directory
	readonly issuers: IssuerKeys
	readonly tokens: AccessTokens
	readonly faults: FaultRules
	readonly throttle: Throttle
	readonly log: RequestLog
	readonly pageSizes: PageSizes
	/** What `trustIssuer` was told, by issuer. */
	readonly trusted: Map<string, TrustIssuer>
	backupKey: Buffer
	/** Called after each change that a state file keeps. */
	changed: () => void
}

export async function createState(options: {
	settings: Settings
	source: TimeSource
	seed: number | string | undefined
	propagationDelayMs: number
}): Promise<EmulatorState> {
	const { settings, source, propagationDelayMs } = options
	const clock = new EmulatorClock(source)
	const random = createRandom(options.seed)
	const directory = new Directory({ clock, propagationDelayMs })
	directory.addTenant(settings.tenantId)
	return {
		settings,
		clock,
		random,
		vaults: new Map(),
		access: new AccessBook({ clock, random, propagationDelayMs }),
		directory,
		issuers: new IssuerKeys(clock),
		tokens: await AccessTokens.create({ clock, random, names: settings.names, directory }),
		faults: new FaultRules(createRandom(options.seed === undefined ? undefined : `${options.seed}:faults`)),
		throttle: new Throttle(clock),
		log: new RequestLog(() => source.now()),
		pageSizes: pageSizes(() => settings.pages, String(options.seed ?? random.hex(32))),
		trusted: new Map(),
		backupKey: randomBytes(32),
		changed: () => {},
	}
}

/** Adds a vault; replaces nothing. */
export function addVault(
	state: EmulatorState,
	options: { name: string; access: AccessModel; recoverableDays?: number | undefined; tenantId?: string | undefined },
): HostedVault {
	const { clock, random, settings } = state
	const hosted: HostedVault = {
		vault: new Vault(options.name, {
			clock,
			random,
			visibilityDelayMs: () => settings.visibilityDelayMs,
			recoverableDays: options.recoverableDays ?? 90,
		}),
		tenantId: options.tenantId ?? settings.tenantId,
		access: options.access,
		network: 'open',
	}
	state.vaults.set(options.name, hosted)
	return hosted
}
