/** Time as an argument, so that tests take milliseconds and can travel. */
export interface Clock {
	/** Wall clock, milliseconds since the epoch. May jump. Only for what other people read. */
	now(): number
	/** Milliseconds that only ever grow, from an arbitrary start. For every duration and deadline. */
	monotonic(): number
	/** Resolves after `ms` (at once for 0 or less); rejects with `signal.reason` as soon as the signal aborts. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Now, on both clocks. */
export const momentOf = (clock: Clock): { now: number; monotonic: number } => ({
	now: clock.now(),
	monotonic: clock.monotonic(),
})

/** A random number in [0, 1): `Math.random`, or a seeded one in tests. */
export type Random = () => number

// setTimeout fires at once for anything above a signed 32 bit number of milliseconds (24.8 days).
const MAX_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
	now: () => Date.now(),
	monotonic: () => performance.now(),
	sleep: (ms, signal) =>
		new Promise((resolve, reject) => {
			if (signal?.aborted) {
				reject(signal.reason)
				return
			}
			const timer = setTimeout(
				() => {
					signal?.removeEventListener('abort', onAbort)
					resolve()
				},
				Math.min(Math.max(ms, 0), MAX_TIMER_MS),
			)
			const onAbort = () => {
				clearTimeout(timer)
				reject(signal?.reason)
			}
			signal?.addEventListener('abort', onAbort, { once: true })
		}),
}
