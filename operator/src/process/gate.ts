import { createTurns } from './turns.ts'

/** Does a piece of work of a group (a namespace) when it is its turn. @throws `signal.reason`, or what the work threw */
export type Gate = <T>(group: string, signal: AbortSignal | undefined, work: () => Promise<T>) => Promise<T>

/**
 * Lets so many pieces of work go at once: for what takes memory while it lasts, whoever wants it. Groups take turns by how long
 * their work took.
 *
 * @param now monotonic milliseconds
 */
export function createGate(width: number, now: () => number): Gate {
	const waiting = createTurns<() => void>()
	let under = 0
	const pump = () => {
		while (under < width) {
			const next = waiting.shift()
			if (!next) return
			under++
			next()
		}
	}
	const turnOf = (group: string, signal: AbortSignal | undefined): Promise<void> =>
		new Promise((resolve, reject) => {
			const place = { group, subgroup: '', first: false }
			const go = () => {
				signal?.removeEventListener('abort', abort)
				resolve()
			}
			const abort = () => {
				waiting.remove(place, go)
				reject(signal?.reason)
			}
			signal?.addEventListener('abort', abort, { once: true })
			waiting.add(place, go)
			pump()
		})
	return async (group, signal, work) => {
		signal?.throwIfAborted()
		await turnOf(group, signal)
		const began = now()
		try {
			return await work()
		} finally {
			under--
			waiting.used(group, now() - began)
			pump()
		}
	}
}
