// Puts the parts together: state, certificates, the HTTPS side, the control API.
import { randomUUID } from 'node:crypto'
import type { Agent } from 'node:https'
import type { AccessModel } from './access/book.ts'
import { createAgent } from './agent.ts'
import { systemTime, type TimeSource } from './clock.ts'
import { createControl } from './control/control.ts'
import { installProxy } from './control/proxy.ts'
import { createControlServer } from './control/server.ts'
import { applySnapshot, type Snapshot, takeSnapshot } from './control/snapshot.ts'
import { notUsable, readStateFile, StateFile } from './control/state-file.ts'
import type { EmulatorControl } from './control/types.ts'
import { listen } from './http/listen.ts'
import { createSecureServer } from './http/secure-server.ts'
import { PRODUCTION_NAMES, TEST_NAMES, VAULT_NAME } from './names.ts'
import type { PagePlan } from './secrets/page-sizes.ts'
import { addVault, createState, type EmulatorState } from './state.ts'
import { createAuthority, loadAuthority } from './tls/authority.ts'
import { LeafStore, localLeaf } from './tls/leaves.ts'

export interface EmulatorOptions {
	/** Address to listen on; default 127.0.0.1. */
	host?: string
	/** HTTPS port; 0, the default, takes a free one. */
	port?: number
	/** Where the control API listens; the default is loopback and a free port. */
	control?: { host?: string; port?: number }
	/** `test` (default): `<vault>.vault.emu.test` and `login.emu.test`. `production`: the names of the public cloud. */
	names?: 'test' | 'production'
	/** Default: a random one. */
	tenantId?: string
	/** Vaults that are there from the start; a plain name has the `rbac` access model. */
	vaults?: ReadonlyArray<string | { name: string; access?: AccessModel; recoverableDays?: number }>
	/** Folder of the CA; made there once and used again. Without it, each emulator has a CA of its own. */
	caFolder?: string
	/** Default: the machine's clock. `control.advanceClock` moves the emulator's own clock against it. */
	clock?: TimeSource
	/** How long deletes, recovers and purges take to show; default 3,000 ms, as the service needs some seconds. */
	visibilityDelayMs?: number
	/** How long grants and federated credentials take to count; default 0. The service needs minutes. */
	propagationDelayMs?: number
	/** Default 86,400 s. At or below 300 s the SDKs never use their cache. */
	tokenLifetimeSeconds?: number
	/** `refresh_in` of token answers; default: half of the lifetime when that is longer than two hours, else none. */
	refreshInSeconds?: number
	/** Keeps vaults, clients and access over restarts: read at the start, written after changes. Holds values in the clear. */
	stateFile?: string
	/**
	 * Pages of lists: `uneven` (default) as the service has them, short and even empty ones with a next one; `full`; or
	 * their sizes in turn, with full ones after it.
	 */
	pages?: PagePlan
	/** Makes ids, the length of pages and the chance of faults repeatable. */
	seed?: number | string
	/** Told about defects of the emulator itself, which it answers with a 500; default: standard error. */
	onDefect?: (error: unknown) => void
}

export interface Emulator {
	/** For `authorityHost` of credentials. */
	readonly authorityHost: string
	readonly tenantId: string
	readonly caPem: string
	/** Base URL of the control API, without `/emulator/v1`. */
	readonly controlUrl: string
	/** Port of the HTTPS side. */
	readonly port: number
	readonly control: EmulatorControl
	vaultUrl(vault: string): string
	/** The clients there are, without their credentials. */
	clients(): ReadonlyArray<{ clientId: string; name: string }>
	/** For SDK clients in this process: finds every name of the emulator at its address, trusts its CA, reaches nothing else. */
	agent(): Agent
	/** Ends all connections, also those that hang. */
	close(): Promise<void>
}

const DEFAULT_VISIBILITY_DELAY_MS = 3_000
const DEFAULT_TOKEN_LIFETIME_S = 86_400

/** Starts an emulator; resolves when both sides listen. Rejects when a port is taken or the CA folder is unusable. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
	const source = options.clock ?? systemTime
	const host = options.host ?? '127.0.0.1'
	const names = options.names === 'production' ? PRODUCTION_NAMES : TEST_NAMES
	const kept = options.stateFile === undefined ? undefined : await readStateFile(options.stateFile)
	const tenantId = options.tenantId ?? kept?.tenantId ?? randomUUID()
	const lifetime = options.tokenLifetimeSeconds ?? DEFAULT_TOKEN_LIFETIME_S
	const onDefect =
		options.onDefect ?? ((error: unknown) => void process.stderr.write(`emulator defect: ${describe(error)}\n`))

	// Certificates live by the machine's clock: clients check them by theirs.
	const now = Date.now()
	const authority = options.caFolder === undefined ? createAuthority(now) : await loadAuthority(options.caFolder, now)
	const state = await createState({
		source,
		seed: options.seed,
		propagationDelayMs: options.propagationDelayMs ?? 0,
		settings: {
			tenantId,
			names,
			visibilityDelayMs: options.visibilityDelayMs ?? DEFAULT_VISIBILITY_DELAY_MS,
			tokenLifetimeSeconds: lifetime,
			refreshInSeconds: options.refreshInSeconds,
			pages: options.pages ?? 'uneven',
			startPages: options.pages ?? 'uneven',
			region: 'westeurope',
			subscriptionId: '00000000-0000-0000-0000-000000000000',
		},
	})
	const vaults = (options.vaults ?? []).map((each) => (typeof each === 'string' ? { name: each } : each))
	for (const { name } of vaults)
		if (!VAULT_NAME.test(name)) throw new Error(`not a vault name (3-24 lower-case letters, digits, hyphens): ${name}`)
	const configure = (): void => {
		state.directory.addTenant(tenantId)
		for (const { name, access = 'rbac', recoverableDays } of vaults) {
			if (!state.vaults.has(name)) addVault(state, { name, access, recoverableDays })
		}
	}
	if (kept && options.stateFile !== undefined) restore(state, kept, options.stateFile)
	configure()

	const closing = new AbortController()
	const wait = (ms: number): Promise<void> =>
		new Promise((resolve) => {
			const end = (): void => {
				clearTimeout(timer)
				closing.signal.removeEventListener('abort', end)
				resolve()
			}
			const timer = setTimeout(end, ms)
			closing.signal.addEventListener('abort', end)
		})

	const secure = createSecureServer({
		context: { state, wait },
		leaves: new LeafStore(authority, names, () => Date.now()),
		defaultLeaf: localLeaf(authority, now),
		onDefect,
	})
	const https = await listen(secure, host, options.port ?? 0)
	const suffix = https.port === 443 ? '' : `:${https.port}`
	const vaultUrl = (vault: string): string => `https://${vault}.${names.vaultSuffix}${suffix}`

	const control = createControl(state, { vaultUrl, configure })
	for (const issuer of kept?.issuers ?? []) await control.trustIssuer(issuer)
	const controlHost = options.control?.host ?? '127.0.0.1'
	const loopbackOnly = LOOPBACK.has(controlHost)
	const controlServer = createControlServer({ state, control, loopbackOnly, onDefect })
	const address = ANY_ADDRESS[host] ?? host
	if (loopbackOnly) installProxy(controlServer, { names, address, port: () => https.port })
	const http = await listen(controlServer, controlHost, options.control?.port ?? 0).catch(async (error: unknown) => {
		await https.close()
		throw error
	})

	const file =
		options.stateFile === undefined ? undefined : new StateFile(options.stateFile, () => takeSnapshot(state), onDefect)
	if (file) {
		state.changed = () => file.changed()
		file.changed()
	}
	const agents: Agent[] = []

	return {
		authorityHost: `https://${names.loginHosts[0]}${suffix}`,
		tenantId,
		caPem: authority.certPem,
		controlUrl: `http://${(ANY_ADDRESS[controlHost] ?? controlHost).replace(/^(.*:.*)$/, '[$1]')}:${http.port}`,
		port: https.port,
		control,
		vaultUrl,
		clients: () => state.directory.clients().map(({ clientId, name }) => ({ clientId, name })),
		agent: () => {
			const agent = createAgent(names, address, authority.certPem)
			agents.push(agent)
			return agent
		},
		close: async () => {
			closing.abort()
			for (const agent of agents) agent.destroy()
			await Promise.all([https.close(), http.close(), file?.close()])
		},
	}
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '::1'])
/** Where a server that listens on every address is reached from this machine. */
const ANY_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

/** A file that was edited by hand, or is of another version, fails somewhere deep inside. */
function restore(state: EmulatorState, kept: Snapshot, file: string): void {
	try {
		applySnapshot(state, kept)
	} catch (cause) {
		throw new Error(notUsable(file), { cause })
	}
}
