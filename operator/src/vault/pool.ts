import { VAULT_URL } from '../api/constants.ts'
import type { Lane, SessionKey, Vaults } from '../ports/vault.ts'
import type { Random } from '../process/clock.ts'
import { createVaultAgent } from './agent.ts'
import { createAnswers } from './answers.ts'
import { type Budget, createBudget, FIRST_TIMES, VAULT_CALLS_PER_SECOND } from './budget.ts'
import { createBypass } from './no-proxy.ts'
import type { RateStyle } from './rate.ts'
import { createRoom } from './room.ts'
import { type AzureOptions, createSession } from './session.ts'
import { createShared, type SharedSession } from './shared.ts'
import { createShares } from './shares.ts'

export interface PoolOptions extends AzureOptions {
	random: Random
	/** DNS suffixes of vaults that may be talked to */
	vaultSuffixes: readonly string[]
	/** hosts that are reached without the proxy that the environment names, as in NO_PROXY */
	noProxy?: string | undefined
	/** sustained calls per second to one vault, all identities together */
	callsPerSecond?: number | undefined
	/** how that rate behaves where this process is one of many on a vault; default: one of a few */
	rateStyle?: RateStyle | undefined
	/** first syncs of a vault that does not throttle are faster than that; for who alone asks for a cluster */
	firstSyncsFaster?: boolean | undefined
	/** for how long an answer may be given again that is asked for again and again; default: half a minute (answers.ts) */
	longestAnswerMs?: number | undefined
	/** how long a call to a vault waited for its turn */
	observeWait?: ((vault: string, lane: Lane, seconds: number) => void) | undefined
}

export interface AzureVaults extends Vaults {
	/** Host names of vaults, and the calls per second that each is asked at most now. */
	rates(): Iterable<readonly [vault: string, perSecond: number]>
}

// A binding that is polled follows something within seconds. A session costs some kilobytes and, when it is made anew,
// one 401 and one token.
const IDLE_MS = 60_000

/** One session for each vault and identity, as long as bindings follow something in it, and one budget for each vault. */
export function createVaults(options: PoolOptions): AzureVaults {
	const { clock, vaultSuffixes, observeWait = () => {} } = options
	const answers = createAnswers(clock, { longestMs: options.longestAnswerMs })
	const room = createRoom()
	const shares = createShares(() => clock.monotonic())
	const bypass = createBypass(options.noProxy ?? '')
	const connections = options.agent ?? createVaultAgent()
	const sessions = new Map<string, { host: string; shared: SharedSession; handedAt: number }>()
	const budgets = new Map<string, Budget>()
	/** where each binding follows something */
	const places = new Map<string, SharedSession>()

	const budgetOf = (host: string): Budget => {
		let budget = budgets.get(host)
		if (!budget) {
			budget = createBudget({
				clock,
				maxPerSecond: options.callsPerSecond,
				style: options.rateStyle,
				random: options.random,
				morePerSecond: options.firstSyncsFaster ? FIRST_TIMES * (options.callsPerSecond ?? VAULT_CALLS_PER_SECOND) : 0,
				shares,
				observeWait: (lane, seconds) => observeWait(host, lane, seconds),
			})
			budgets.set(host, budget)
		}
		return budget
	}
	const open = (key: SessionKey, host: string): SharedSession => {
		const shared = createShared(createSession(key, options, { budget: budgetOf(host), connections, bypass, room }), {
			clock,
			random: options.random,
			answers,
			namespace: key.namespace,
			onFollow(binding) {
				const before = places.get(binding)
				if (before !== shared) before?.leave(binding)
				places.set(binding, shared)
			},
		})
		return shared
	}
	return {
		session(given) {
			const key = { ...given, ...inLowerCase(given) }
			const id = identityOf(key, options.authorityHost)
			let session = sessions.get(id)
			if (!session) {
				const host = new URL(key.vaultUrl).hostname
				session = { host, shared: open(key, host), handedAt: 0 }
				sessions.set(id, session)
			}
			session.handedAt = clock.monotonic()
			return session.shared
		},
		leave(binding) {
			places.get(binding)?.leave(binding)
			places.delete(binding)
		},
		suffixes: vaultSuffixes,
		isAllowed: (vaultUrl) => isAllowedVault(vaultUrl, vaultSuffixes),
		prune() {
			answers.sweep()
			const now = clock.monotonic()
			for (const [id, { shared, handedAt }] of sessions) {
				if (shared.followers > 0 || now - Math.max(shared.usedAt, handedAt) <= IDLE_MS) continue
				shared.close()
				sessions.delete(id)
			}
			const used = new Set([...sessions.values()].map(({ host }) => host))
			// A vault that throttled is not forgotten before it is asked at full speed again.
			for (const [host, budget] of budgets) if (!used.has(host) && budget.idle) budgets.delete(host)
		},
		*rates() {
			for (const [host, { perSecond }] of budgets) yield [host, perSecond] as const
		},
	}
}

/** Hosts and GUIDs compare without regard to case; the client of Entra compares letters. */
const inLowerCase = ({ vaultUrl, tenantId, clientId }: SessionKey) => ({
	vaultUrl: vaultUrl.toLowerCase(),
	tenantId: tenantId.toLowerCase(),
	clientId: clientId.toLowerCase(),
})

function identityOf(key: SessionKey, authorityHost: string | undefined): string {
	const { vaultUrl, tenantId, clientId, audience, namespace, serviceAccount, serviceAccountUid } = key
	return JSON.stringify([
		vaultUrl,
		authorityHost,
		tenantId,
		clientId,
		audience,
		namespace,
		serviceAccount,
		serviceAccountUid,
	])
}

/**
 * https, one label before an allowed suffix, nothing else. Judged as it is written: what a parser of URLs forgives (tabs, a
 * backslash, `https:host`, an empty user, the port 443) would be a second spelling of one vault.
 */
export function isAllowedVault(vaultUrl: string, suffixes: readonly string[]): boolean {
	const [, host] = VAULT_URL.exec(vaultUrl) ?? []
	return host !== undefined && suffixes.includes(host.slice(host.indexOf('.') + 1).toLowerCase())
}
