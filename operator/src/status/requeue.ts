// The first retry comes as soon as the shortest interval that a binding may have.
const MIN_BACKOFF_MS = 5_000

/** `ms` up to a tenth longer: polls that began together drift apart, and an interval stays a minimum. */
export const spread = (ms: number, random: number) => ms * (1 + 0.1 * random)

/** Exponential, from 5 s; `failures` counts from 1. */
export function backoffMs(failures: number, capMs: number, random: number): number {
	// 2^10 times 5 s is beyond every cap here.
	return spread(Math.min(MIN_BACKOFF_MS * 2 ** Math.min(Math.max(failures - 1, 0), 10), capMs), random)
}
