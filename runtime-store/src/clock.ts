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

export const systemClock: Clock = {
	now: () => Date.now(),
	monotonic: () => performance.now(),
	after(ms, call, keepAlive = false) {
		const timer = setTimeout(call, ms)
		if (!keepAlive) timer.unref()
		return () => clearTimeout(timer)
	},
}
