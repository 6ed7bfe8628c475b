import type { Clock } from './clock.ts'

export interface BucketsOptions {
	clock: Clock
	/** tokens of a full bucket */
	burst: number
	/** time for one token to come back, milliseconds */
	refillMs: number
	/** buckets remembered; the longest unused is forgotten first, and would be full again */
	max: number
}

export interface Buckets {
	/** Takes one token from the bucket of `key`; false when there is none. */
	take(key: string): boolean
}

/** Token buckets by key. */
export function createBuckets({ clock, burst, refillMs, max }: BucketsOptions): Buckets {
	const buckets = new Map<string, { tokens: number; at: number }>()
	return {
		take(key) {
			const now = clock.monotonic()
			const before = buckets.get(key)
			const tokens = before ? Math.min(burst, before.tokens + (now - before.at) / refillMs) : burst
			const taken = tokens >= 1
			buckets.delete(key)
			buckets.set(key, { tokens: taken ? tokens - 1 : tokens, at: now })
			const oldest = buckets.size > max ? buckets.keys().next().value : undefined
			if (oldest !== undefined) buckets.delete(oldest)
			return taken
		},
	}
}
