import type { Ask, Lane } from '../ports/vault.ts'
import { heedingAbort } from '../process/abort.ts'

/** Who waits for a call, and is told when it waits itself: for the budget of the vault. */
export type Joining = Pick<Ask, 'signal' | 'waits'>

/** One call that several callers wait for. */
export interface Flight<T> {
	/** when it was begun, monotonic milliseconds: it says what was true then or later */
	readonly begun: number
	readonly lane: Lane
	/** of a list; whoever joins may raise it */
	readonly limit: { pages: number }
	/** Waits for it as long as `signal` lets. The call ends when the last caller has left. */
	join(asked: Joining): Promise<T>
	/** Ends the call, whoever waits for it. */
	abort(reason: unknown): void
}

/**
 * @param run the call; tells when it waits, and gets a signal of its own, so that one caller's abort does not end it for the others
 * @param onEnd it has ended, or all callers have left: nobody may join any more
 */
export function startFlight<T>(
	about: Pick<Flight<T>, 'begun' | 'lane' | 'limit'>,
	run: (own: Required<Joining>) => Promise<T>,
	onEnd: () => void,
): Flight<T> {
	const controller = new AbortController()
	const listeners = new Set<NonNullable<Joining['waits']>>()
	let isWaiting = false
	let callers = 0
	let ended = false
	const waits = (is: boolean) => {
		isWaiting = is
		for (const tell of listeners) tell(is)
	}
	const result = run({ signal: controller.signal, waits }).finally(() => {
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
		async join({ signal, waits: tell }) {
			signal.throwIfAborted()
			callers++
			if (tell) listeners.add(tell)
			if (isWaiting) tell?.(true)
			try {
				return await heedingAbort(result, signal)
			} finally {
				if (tell) listeners.delete(tell)
				leave()
			}
		},
		abort: (reason) => controller.abort(reason),
	}
}
