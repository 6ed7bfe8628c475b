import type { Lane } from '../../ports/vault.ts'
import { heedingAbort } from '../../runtime/abort.ts'

/** One call that several callers wait for. */
export interface Flight<T> {
	/** when it was begun, monotonic milliseconds: it says what was true then or later */
	readonly begun: number
	readonly lane: Lane
	/** of a list; whoever joins may raise it */
	readonly limit: { pages: number }
	/** Waits for it as long as `signal` lets. The call ends when the last caller has left. */
	join(signal: AbortSignal): Promise<T>
	/** Ends the call, whoever waits for it. */
	abort(reason: unknown): void
}

/**
 * @param run the call; gets a signal of its own, so that one caller's abort does not end it for the others
 * @param onEnd it has ended, or all callers have left: nobody may join any more
 */
export function startFlight<T>(
	about: Pick<Flight<T>, 'begun' | 'lane' | 'limit'>,
	run: (signal: AbortSignal) => Promise<T>,
	onEnd: () => void,
): Flight<T> {
	const controller = new AbortController()
	let callers = 0
	let ended = false
	const result = run(controller.signal).finally(() => {
		ended = true
		onEnd()
	})
	// When all callers have left nobody hears how it ends.
	result.catch(() => {})
	const leave = () => {
		callers--
		if (callers > 0 || ended) return
		onEnd()
		controller.abort(new Error('nobody waits for the answer any more'))
	}
	return {
		...about,
		async join(signal) {
			signal.throwIfAborted()
			callers++
			try {
				return await heedingAbort(result, signal)
			} finally {
				leave()
			}
		},
		abort: (reason) => controller.abort(reason),
	}
}
