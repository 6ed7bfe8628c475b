import type { Clock } from '../process/clock.ts'
import type { Turn } from '../process/queue.ts'

// A vault answers in a tenth of that. What takes longer may take until its deadline, and many namespaces may have such vaults. For all waits of
// a pass together: a vault that answers each question a moment before would keep the worker for as long as a pass may take, a minute.
const RELEASE_AFTER_MS = 1_000
// Made once: an error takes its stack with it, and this is one for every answer.
const ARRIVED = new Error('an answer has arrived')

/** Waits for the next answer of a pass. One that has waited for a second in all gives its worker back, and goes on without. */
export function createPatience(
	turn: Pick<Turn, 'release'>,
	clock: Pick<Clock, 'sleep' | 'monotonic'>,
): (arrived: Promise<void>, isLight?: boolean) => Promise<void> {
	let left = RELEASE_AFTER_MS
	/** @returns whether the answer came while there was patience left */
	const isSoon = async (arrived: Promise<void>): Promise<boolean> => {
		const began = clock.monotonic()
		const soon = new AbortController()
		const late = clock.sleep(left, soon.signal).then(
			() => true,
			() => false,
		)
		const isLate = await Promise.race([arrived.then(() => false), late])
		soon.abort(ARRIVED)
		left = isLate ? 0 : left - (clock.monotonic() - began)
		return !isLate
	}
	return async (arrived, isLight = false) => {
		if (left > 0 && (await isSoon(arrived))) return
		await turn.release(() => arrived, { ifRoom: true, isLight })
	}
}
