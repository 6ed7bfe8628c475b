import { createTurns } from './turns.ts'

/** Does a piece of work for a group (a namespace) in one of the next turns of the event loop. */
export type Slices = <T>(group: string, work: () => T) => Promise<T>

// Passes of many bindings come due at one moment, and planning one with 500 secrets takes some milliseconds. So after this long
// the timers of the lease and the sockets of all others go first.
const SLICE_MS = 10

/**
 * Shares the main thread between passes: in each turn of the event loop so much of their work is done as a slice of time
 * allows. Whose namespace has used least of it goes first.
 *
 * @param now monotonic milliseconds
 * @param nextTurn resolves in the next turn of the event loop
 */
export function createSlices(now: () => number, nextTurn: () => Promise<unknown>): Slices {
	const waiting = createTurns<{ readonly group: string; go(): void }>()
	let slicing = false
	const goOne = (): number => {
		const next = waiting.shift()
		const began = now()
		next?.go()
		const ended = now()
		if (next) waiting.used(next.group, ended - began)
		return ended
	}
	const slice = async () => {
		slicing = true
		while (waiting.size > 0) {
			await nextTurn()
			const until = now() + SLICE_MS
			while (waiting.size > 0 && goOne() < until);
		}
		slicing = false
	}
	return (group, work) =>
		new Promise((resolve, reject) => {
			const go = () => {
				try {
					resolve(work())
				} catch (error) {
					reject(error)
				}
			}
			waiting.add({ group, subgroup: '', first: false }, { group, go })
			if (!slicing) void slice()
		})
}

/** Does it at once. */
export const unsliced: Slices = async (_, work) => work()
