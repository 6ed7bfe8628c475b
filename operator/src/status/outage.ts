import type { Binding } from '../api/parse.ts'
import type { BindingStatus, Condition } from '../api/schema.ts'
import { parseTime } from '../api/time.ts'
import { ANSWERED, TRANSIENT, traitsOf, type VaultFault } from '../engine/fault.ts'
import type { PollHistory } from '../engine/knowledge.ts'

// Fresh turns False after max(3 intervals, 5 min) of an outage: shorter ones hurt nobody.
const GRACE_MS = 5 * 60_000
const GRACE_INTERVALS = 3
/** lastCheckTime is written at most every 15 min, and later by up to a tenth so that bindings do not write in step. */
export const CHECK_MS = 15 * 60_000
const MAX_CHECK_MS = CHECK_MS * 1.1

export const conditionOf = ({ conditions }: BindingStatus, type: string): Condition | undefined =>
	conditions?.find((each) => each.type === type)

/** Whether the condition was written after a poll that worked: good, or with a reason that the vault's answer was. */
export const tellsOfPoll = ({ status, reason }: Condition): boolean => status === 'True' || ANSWERED.has(reason)

/** How an outcome continues what went before. */
export interface Failing {
	/** it has failed for so long, in milliseconds; 0 when it did not or does so for the first time */
	forMs: number
	/** it may pass in a moment, so nothing is said of it yet: an outage of a minute hurts nobody and should not page anybody */
	hiccup: boolean
	/** an outage that a condition shows already goes on in another way */
	isShown: boolean
	/** no poll has worked for longer than staleAfter */
	stale: boolean
}

/** What the spec says of how often the vault is polled, and what an outage of it means. */
export type RefreshRules = Pick<Binding, 'interval' | 'shorterInterval' | 'staleAfter'>

interface Now {
	previous: BindingStatus
	generation: number
	workedUntil: number | undefined
	now: number
}

export function failingOf(
	fault: VaultFault | undefined,
	pollHistory: PollHistory,
	spec: RefreshRules | undefined,
	input: Now & { at: number },
): Failing {
	const { previous, at } = input
	const forMs = pollHistory.failingSince === undefined ? 0 : at - pollHistory.failingSince
	const stale = spec !== undefined && isStale(pollHistory, spec.staleAfter, input)
	if (!fault || !mayPass(fault)) return { forMs, hiccup: false, isShown: false, stale }
	const grace = Math.max(GRACE_MS, GRACE_INTERVALS * (spec?.interval ?? 0))
	const before = conditionOf(previous, 'Fresh')
	const causeFor = pollHistory.cause === undefined ? 0 : at - pollHistory.cause.since
	return {
		forMs,
		stale,
		// What is stale is not fresh, however short the outage: staleAfter may be as short as the grace.
		hiccup: forMs < grace && !stale && before !== undefined && tellsOfPoll(before),
		isShown:
			before?.status === 'False' &&
			TRANSIENT.has(before.reason) &&
			(traitsOf(fault).class === 'transient' || causeFor < grace),
	}
}

/** Faults that may be over at the next poll, whoever has to mend them when they are not. */
const mayPass = (fault: VaultFault) =>
	// AKV10046 has been seen to pass (FACTS.md#refusals), and the next poll has a client and a token of its own.
	traitsOf(fault).class === 'transient' || fault.kind === 'unauthorized'

/**
 * Ready turns False when no poll has worked for `staleAfter`, and never earlier. A process that has not yet polled with
 * success knows only the status, which hides the polls since `lastCheckTime`: for as long as that is written at the latest,
 * but none after Fresh said that they fail, and none after the last operator before this one. Only without its lease
 * Stale may come late, by what the status hides. The alternative, to write each poll, would be a write for each binding at
 * each interval.
 */
function isStale(
	{ lastPoll }: PollHistory,
	staleAfter: number,
	{ previous, generation, workedUntil = Number.POSITIVE_INFINITY, now }: Now,
): boolean {
	if (lastPoll !== undefined) return now - lastPoll > staleAfter
	const written = parseTime(previous.lastCheckTime)
	if (written === undefined) return false
	// Who wrote it knew. It must not be Ready again only because a new process knows less.
	const ready = conditionOf(previous, 'Ready')
	if (ready?.reason === 'Stale' && ready.observedGeneration === generation) return true
	const fresh = conditionOf(previous, 'Fresh')
	const failing = fresh?.status === 'False' && !tellsOfPoll(fresh)
	// Older than the last poll it is the time of another reason, from which Fresh went over to this one.
	const turned = failing ? parseTime(fresh.lastTransitionTime) : undefined
	const known = turned !== undefined && turned >= written ? turned : Number.POSITIVE_INFINITY
	// Written later than the lease says: clocks of two nodes differ.
	const polledUntil = Math.max(written, Math.min(written + MAX_CHECK_MS, known, workedUntil))
	return now - polledUntil > staleAfter
}
