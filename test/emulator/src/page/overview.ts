// What the page shows, as two operations of the control API: everything but secrets, and the secrets of one vault. No values:
// they are asked for one at a time.
import { type AccessModel, POLICY_PERMISSIONS } from '../access/book.ts'
import { BUILT_IN_ROLES } from '../access/roles.ts'
import type { LoggedRequest, RequestCount } from '../control/request-log.ts'
import type { Fault } from '../faults/rules.ts'
import type { Secret } from '../secrets/model.ts'
import type { EmulatorState, HostedVault, VaultNetwork } from '../state.ts'

export interface Overview {
	readonly tenantId: string
	/** The emulator's clock, milliseconds since the epoch, and how far it was moved against the machine's. */
	readonly now: number
	readonly offsetMs: number
	readonly vaults: ReadonlyArray<{
		name: string
		url: string
		access: AccessModel
		network: VaultNetwork
		secrets: number
	}>
	readonly clients: ReadonlyArray<{
		clientId: string
		name: string
		managedIdentity: boolean
		hasSecret: boolean
		hasCertificate: boolean
		federated: ReadonlyArray<{ name: string; issuer: string; subject: string; audience: string }>
	}>
	/** Names of the roles that can be granted, and of the permissions that an access policy can have. */
	readonly roles: readonly string[]
	readonly permissions: readonly string[]
	readonly grants: ReadonlyArray<{ clientId: string; role: string; vault: string; secret?: string }>
	readonly policies: ReadonlyArray<{ clientId: string; vault: string; permissions: readonly string[] }>
	readonly issuers: readonly string[]
	readonly faults: ReadonlyArray<Fault & { id: string; hits: number }>
	/** The latest requests, newest first. */
	readonly log: readonly LoggedRequest[]
	readonly counts: readonly RequestCount[]
}

export type SecretCondition = 'live' | 'recovering' | 'deleting' | 'deleted' | 'purging'

export interface ListedSecret {
	readonly name: string
	readonly condition: SecretCondition
	/** Belongs to a certificate. */
	readonly managed: boolean
	/** Newest first. Times are whole seconds since 1970. */
	readonly versions: ReadonlyArray<{
		version: string
		enabled: boolean
		created: number
		updated: number
		notBefore?: number
		expires?: number
		contentType?: string
		tags?: Readonly<Record<string, string>>
	}>
}

/** What a page needs; names and states, never a value. */
export interface PageControl {
	/** Everything at one look. `since` (milliseconds since the epoch) narrows the log and the counts. */
	overview(input?: { since?: number }): Promise<Overview>
	/** Secrets of a vault by name, in every state, without values; at most `limit`, those whose name contains `search`. */
	listSecrets(input: {
		vault: string
		search?: string
		limit?: number
	}): Promise<{ total: number; secrets: ListedSecret[] }>
}

/** As many as a person scrolls through; a client that polls once a second stays below it. */
const LOG_ROWS = 150
/** More rows make a page slow, and nobody reads them: the search narrows. */
const DEFAULT_LIMIT = 200

export function pageOperations(
	state: EmulatorState,
	hosted: (name: string) => HostedVault,
	vaultUrl: (vault: string) => string,
): PageControl {
	return {
		overview: async ({ since } = {}) => overview(state, vaultUrl, since),
		listSecrets: async ({ vault, search = '', limit = DEFAULT_LIMIT }) => {
			const wanted = search.toLowerCase()
			const now = state.clock.now()
			const found = hosted(vault)
				.vault.dump()
				.filter((secret) => secret.name.toLowerCase().includes(wanted) && conditionOf(secret, now) !== undefined)
				.toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
			return { total: found.length, secrets: found.slice(0, limit).map((secret) => listed(secret, now)) }
		},
	}
}

function overview(state: EmulatorState, vaultUrl: (vault: string) => string, since: number | undefined): Overview {
	const { access, clock, directory, faults, log, settings } = state
	return {
		tenantId: settings.tenantId,
		now: clock.now(),
		offsetMs: clock.offsetMs,
		vaults: [...state.vaults.values()].map(({ vault, access: model, network }) => ({
			name: vault.name,
			url: vaultUrl(vault.name),
			access: model,
			network,
			secrets: vault.dump().filter((secret) => secret.state.kind === 'live').length,
		})),
		clients: directory.clients().map((client) => ({
			clientId: client.clientId,
			name: client.name,
			managedIdentity: client.managedIdentity,
			hasSecret: client.secrets.length > 0,
			hasCertificate: client.certificates.length > 0,
			federated: [...client.federated.values()].map(({ name, issuer, subject, audience }) => ({
				...{ name, issuer, subject, audience },
			})),
		})),
		roles: [...BUILT_IN_ROLES, ...access.customRoles()].map(({ name }) => name),
		permissions: POLICY_PERMISSIONS,
		// A revoked grant that is still on its way out counts as gone: it can be granted again.
		grants: access
			.assignments()
			.filter((each) => each.until === undefined)
			.map(({ clientId, role, vault, secret }) => ({
				...{ clientId, role, vault },
				...(secret === undefined ? {} : { secret }),
			})),
		policies: access.policies(),
		issuers: [...state.trusted.keys()],
		faults: faults.list().map(({ id, fault, hits }) => ({ id, hits, ...fault })),
		log: log.since(since).slice(-LOG_ROWS).reverse(),
		counts: log.counts(since),
	}
}

/** Undefined: its purge, or its time among the deleted ones, is over. */
function conditionOf({ state }: Secret, now: number): SecretCondition | undefined {
	switch (state.kind) {
		case 'live':
			return state.visibleAt > now ? 'recovering' : 'live'
		case 'deleted':
			if (state.scheduledPurgeDate * 1000 <= now) return undefined
			return state.visibleAt > now ? 'deleting' : 'deleted'
		case 'purging':
			return state.freeAt > now ? 'purging' : undefined
	}
}

function listed(secret: Secret, now: number): ListedSecret {
	return {
		name: secret.name,
		condition: conditionOf(secret, now) ?? 'purging',
		managed: secret.versions.at(-1)?.managed === true,
		versions: secret.versions.toReversed().map((each) => {
			const { version, enabled, created, updated, notBefore, expires, contentType, tags } = each
			return {
				...{ version, enabled, created, updated },
				...(notBefore === undefined ? {} : { notBefore }),
				...(expires === undefined ? {} : { expires }),
				...(contentType === undefined ? {} : { contentType }),
				...(tags === undefined ? {} : { tags }),
			}
		}),
	}
}
