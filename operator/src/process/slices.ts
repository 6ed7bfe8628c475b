import { createTurns } from './turns.ts'

/** Does a piece of work for a group (a namespace) in one of the next turns of the event loop. */
export type Slices = <T>(group: string, work: () => T) => Promise<T>

// Passes of many bindings come due at one moment, and planning one with 500 secrets takes some milliseconds. So after this long
// the timers of the lease and the sockets of all others go first.
const SLICE_MS = 10

/**
 * Shares the main thread between passes: in each turn of the event loop so much of their work is done as a slice of time
 * allows. What comes while nothing waits and some of the slice is left is done at once. Otherwise it waits, and whose namespace has used
 * least goes first.
 *
 * @param now monotonic milliseconds
 * @param nextTurn resolves in the next turn of the event loop
 */
export function createSlices(now: () => number, nextTurn: () => Promise<unknown>): Slices {
	const waiting = createTurns<{ readonly group: string; go(): void }>()
	let slicing = false
	/** of the slice of this turn, milliseconds */
	let used = 0
	let counting = false
	const use = async (ms: number) => {
		used += ms
		if (counting) return
		counting = true
		await nextTurn()
		counting = false
		used = 0
	}
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
		let tookMs = 0
		while (waiting.size > 0) {
			await nextTurn()
			const began = now()
			while (waiting.size > 0 && goOne() < began + SLICE_MS);
			tookMs = now() - began
		}
		slicing = false
		void use(tookMs)
	}
	const goNow = <T>(work: () => T): Promise<T> => {
		const began = now()
		try {
			return Promise.resolve(work())
		} catch (error) {
			return Promise.reject(error)
		} finally {
			void use(now() - began)
		}
	}
	return (group, work) => {
		if (!slicing && used < SLICE_MS) return goNow(work)
		return new Promise((resolve, reject) => {
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
}

/** Does it at once. */
export const unsliced: Slices = async (_, work) => work()
