import type { Clock, Random } from './clock.ts'

/** @returns a delay in [ms, ms * (1 + share)): jitter only ever makes a wait longer, so a minimum stays a minimum. */
export function jitter(ms: number, share: number, random: Random): number {
	return ms * (1 + share * random())
}

/** `min(minMs * 2^failures, maxMs)`, safe for any number of failures. */
export function exponential(minMs: number, maxMs: number, failures: number): number {
	// 2^31 times one millisecond is already 24 days; beyond it the power would only risk Infinity * 0.
	return Math.min(minMs * 2 ** Math.min(failures, 31), maxMs)
}

export interface Backoff {
	/** Counts one failure and returns how long to wait after it, in milliseconds. */
	next(): number
	/** Forgets all failures. */
	reset(): void
}

export interface BackoffOptions {
	clock: Clock
	random: Random
	minMs: number
	maxMs: number
	/** A failure that comes this long after the one before counts as the first: the time between was healthy. */
	resetAfterMs: number
}

/** Exponential backoff with jitter that forgets after a healthy spell. */
export function createBackoff({ clock, random, minMs, maxMs, resetAfterMs }: BackoffOptions): Backoff {
	let failures = 0
	let quietUntil = Number.NEGATIVE_INFINITY
	return {
		next() {
			const now = clock.monotonic()
			if (now - quietUntil > resetAfterMs) failures = 0
			// Half again: enough to spread replicas that lost the same server, short enough to keep the order of magnitude.
			const delay = jitter(exponential(minMs, maxMs, failures), 0.5, random)
			failures++
			// The wait itself is not health: the spell starts when it ends.
			quietUntil = now + delay
			return delay
		},
		reset() {
			failures = 0
			quietUntil = Number.NEGATIVE_INFINITY
		},
	}
}
