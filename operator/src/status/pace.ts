/** Why polls come later than the interval says. */
export type LateBy =
	/** the binding waited for one of the operator's workers */
	| 'workers'
	/** the poll itself took long: the budget of the vault, the vault or the API server */
	| 'vault'

/** How well the interval of a binding is kept. */
export interface Pace {
	/** monotonic end of the last poll, when it found out what it wanted to know */
	readonly polledAt: number | undefined
	/** what is told; undefined: the interval is kept */
	readonly slow: Slow | undefined
	/** polls in time since then */
	readonly calm: number
}

export interface Slow {
	/** up to so many intervals lie between polls: a power of two, so that a status is not written for each second */
	readonly intervals: number
	readonly by: LateBy
}

export const noPace: Pace = { polledAt: undefined, slow: undefined, calm: 0 }

// A poll is late when the one after it would be due as well.
const LATE_INTERVALS = 2
// A single poll in time does not mean that all are again.
const CALM_POLLS = 10

/**
 * The pace after a poll that ended now.
 *
 * @param lateMs how long the binding waited for a worker after its time
 */
export function paceAfter(before: Pace, at: number, intervalMs: number, lateMs: number): Pace & { isLate: boolean } {
	const gap = before.polledAt === undefined ? 0 : at - before.polledAt
	const isLate = gap >= LATE_INTERVALS * intervalMs
	if (!isLate) {
		const calm = before.calm + 1
		return { polledAt: at, slow: calm < CALM_POLLS ? before.slow : undefined, calm, isLate }
	}
	const intervals = 2 ** Math.ceil(Math.log2(gap / intervalMs))
	const by: LateBy = lateMs >= gap / 2 ? 'workers' : 'vault'
	// What is told grows at once and shrinks only when all has been well for a while.
	const slow = before.slow && before.slow.intervals > intervals ? before.slow : { intervals, by }
	return { polledAt: at, slow, calm: 0, isLate }
}

const CAUSES: Record<LateBy, string> = {
	workers: 'bindings wait for workers of the operator',
	vault: 'the vault, its budget or the API server are asked for more than they give in that time',
}

/** A binding that is polled no more often than the operator was told; nothing else of it changes. */
export const atLeastEvery = <T extends { interval: number; shorterInterval?: number | undefined }>(
	binding: T,
	minIntervalMs: number,
): T =>
	binding.interval < minIntervalMs
		? { ...binding, interval: minIntervalMs, shorterInterval: binding.interval }
		: binding

/** A sentence for the condition. */
export const explainMinimum = (askedMs: number, intervalMs: number): string =>
	`The interval of ${askedMs / 1000}s is shorter than this cluster allows: the vault is polled every ${intervalMs / 1000}s.`

/** A sentence for the condition. */
export const explainPace = ({ intervals, by }: Slow, intervalMs: number): string =>
	`The interval of ${intervalMs / 1000}s is not kept: up to ${(intervals * intervalMs) / 1000}s lie between polls, because ${CAUSES[by]}. A longer interval or fewer secrets help.`
