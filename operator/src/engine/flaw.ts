import type { Policy } from '../api/schema.ts'
import type { SecretFacts } from './probe.ts'
import type { Moment } from './questions.ts'

/** What keeps a version from being used as it is. Expiry and validity are only words in Key Vault; policies may heed them. */
export type Flaw = 'disabled' | 'expired' | 'notYetValid'

/** @param now milliseconds since the epoch */
export function flawOf({ enabled, expires, notBefore }: SecretFacts, now: number): Flaw | undefined {
	if (!enabled) return 'disabled'
	if (expires !== undefined && expires * 1000 <= now) return 'expired'
	if (notBefore !== undefined && notBefore * 1000 > now) return 'notYetValid'
	return undefined
}

/**
 * Whether the time of a version has come, or is over, since this was told of it. What is true of it now may be something else:
 * it may not even be the current version any more.
 *
 * @param answeredAt when it was told, monotonic; undefined: nobody says, so it is taken for new
 */
export function hasTurned(facts: SecretFacts, answeredAt: number | undefined, at: Moment): boolean {
	const age = answeredAt === undefined ? 0 : Math.max(0, at.monotonic - answeredAt)
	return flawOf(facts, at.now - age) !== flawOf(facts, at.now)
}

/** What the policy says about a flaw. A pin asks for one version, so no other one stands in for it. */
export function policyFor(flaw: Flaw, policy: Policy, pinned: boolean): 'Keep' | 'Remove' | 'Previous' {
	return policy[flaw] === 'Previous' && pinned ? 'Keep' : policy[flaw]
}

/**
 * When time alone will change what the policy says of a version, milliseconds since the epoch: at its expiry, or when its
 * time comes. Undefined when it never will.
 */
export function nextTurn({ expires, notBefore }: SecretFacts, policy: Policy, now: number): number | undefined {
	const times = [
		...(policy.expired === 'Keep' || expires === undefined ? [] : [expires * 1000]),
		...(policy.notYetValid === 'Keep' || notBefore === undefined ? [] : [notBefore * 1000]),
	].filter((time) => time > now)
	return times.length === 0 ? undefined : Math.min(...times)
}
