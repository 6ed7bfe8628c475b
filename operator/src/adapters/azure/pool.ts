import type { SessionKey, VaultReader, Vaults } from '../../ports/vault.ts'
import { createLimit, type Limit } from './limit.ts'
import { type AzureOptions, createSession } from './session.ts'

export interface PoolOptions extends AzureOptions {
	/** DNS suffixes of vaults that may be talked to */
	vaultSuffixes: readonly string[]
	/** requests at once to one vault, all identities together */
	concurrency?: number | undefined
}

// 4,000 transactions in 10 s is what a vault takes (keyvault.md 1.5); four at a time with 50 ms each stay at a fifth of it.
const CONCURRENCY = 4
// A session costs some kilobytes and, when it is made anew, one 401 and one token. The longest backoff is 5 minutes.
const IDLE_MS = 15 * 60_000

/** One session for each vault and identity, forgotten when it is not used. */
export function createVaults(options: PoolOptions): Vaults {
	const { clock, vaultSuffixes, concurrency = CONCURRENCY } = options
	const sessions = new Map<string, { reader: VaultReader; usedAt: number }>()
	const limits = new Map<string, Limit>()
	return {
		reader(key) {
			const id = identityOf(key, options.authorityHost)
			let session = sessions.get(id)
			if (!session) {
				const host = new URL(key.vaultUrl).hostname
				const limit = limits.get(host) ?? createLimit(concurrency)
				limits.set(host, limit)
				session = { reader: createSession(key, options, limit), usedAt: 0 }
				sessions.set(id, session)
			}
			session.usedAt = clock.monotonic()
			return session.reader
		},
		isAllowed: (vaultUrl) => isAllowedVault(vaultUrl, vaultSuffixes),
		prune() {
			for (const [id, { usedAt }] of sessions) if (clock.monotonic() - usedAt > IDLE_MS) sessions.delete(id)
		},
	}
}

function identityOf(key: SessionKey, authorityHost: string | undefined): string {
	const { vaultUrl, tenantId, clientId, audience, namespace, serviceAccount, serviceAccountUid } = key
	return JSON.stringify([
		vaultUrl.toLowerCase(),
		authorityHost,
		tenantId,
		clientId,
		audience,
		namespace,
		serviceAccount,
		serviceAccountUid,
	])
}

/** https, one label before an allowed suffix, nothing else. */
export function isAllowedVault(vaultUrl: string, suffixes: readonly string[]): boolean {
	if (!URL.canParse(vaultUrl)) return false
	const { protocol, hostname, username, password, pathname, search, hash } = new URL(vaultUrl)
	if (protocol !== 'https:' || username || password || pathname !== '/' || search || hash) return false
	const [label = '', ...rest] = hostname.split('.')
	return /^[a-z0-9-]{1,24}$/.test(label) && suffixes.includes(rest.join('.'))
}
