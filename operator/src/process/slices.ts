/** Does a piece of work in one of the next turns of the event loop. */
export type Slices = <T>(work: () => T) => Promise<T>

// Passes of many bindings come due at one moment, and planning one with 500 secrets takes some milliseconds. So after this long
// the timers of the lease and the sockets of all others go first.
const SLICE_MS = 10

/**
 * Shares the main thread between passes: in each turn of the event loop so much of their work is done as a slice of time
 * allows, in the order in which it came.
 *
 * @param now monotonic milliseconds
 * @param nextTurn resolves in the next turn of the event loop
 */
export function createSlices(now: () => number, nextTurn: () => Promise<unknown>): Slices {
	const waiting: (() => void)[] = []
	const slice = async () => {
		while (waiting.length > 0) {
			await nextTurn()
			const began = now()
			do waiting.shift()?.()
			while (waiting.length > 0 && now() - began < SLICE_MS)
		}
	}
	return (work) =>
		new Promise((resolve, reject) => {
			waiting.push(() => {
				try {
					resolve(work())
				} catch (error) {
					reject(error)
				}
			})
			if (waiting.length === 1) void slice()
		})
}

/** Does it at once. */
export const unsliced: Slices = async (work) => work()
