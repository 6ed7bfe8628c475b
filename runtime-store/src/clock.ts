/** Time as an argument: tests turn it by hand. */
export interface Clock {
	/** Milliseconds since 1970, for times that are compared with those of the vault. */
	now(): number
	/** Milliseconds on a scale that no clock step moves, for deadlines and ages. */
	monotonic(): number
	/**
	 * Calls once after `ms` milliseconds. Keeps the process alive only if told to: somebody waits for it. Returns a function that cancels.
	 */
	after(ms: number, call: () => void, keepAlive?: boolean): () => void
}

// setTimeout takes at most 2^31 - 1 ms (24.8 days), and calls after 1 ms for more.
export const MAX_TIMER_MS = 2_147_483_647

export const systemClock: Clock = {
	now: () => Date.now(),
	monotonic: () => performance.now(),
	after(ms, call, keepAlive = false) {
		const timer = setTimeout(call, Math.min(ms, MAX_TIMER_MS))
		if (!keepAlive) timer.unref()
		return () => clearTimeout(timer)
	},
}
