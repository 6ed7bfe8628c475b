import type { Clock } from '../process/clock.ts'
import type { Turn } from '../process/queue.ts'

// A vault answers in a tenth of that. What takes longer may take until its deadline, and many namespaces may have such vaults.
const LEND_AFTER_MS = 1_000
// Made once: an error takes its stack with it, and this is one for every answer.
const ARRIVED = new Error('an answer has arrived')

/** A pass that hears nothing from its vault for a while lets others have its worker until it does. */
export async function lendAfter(
	arrived: Promise<void>,
	turn: Pick<Turn, 'lend'>,
	clock: Pick<Clock, 'sleep'>,
): Promise<void> {
	const soon = new AbortController()
	const late = clock.sleep(LEND_AFTER_MS, soon.signal).then(
		() => true,
		() => false,
	)
	const isLate = await Promise.race([arrived.then(() => false), late])
	soon.abort(ARRIVED)
	if (isLate) await turn.lend(() => arrived, { ifRoom: true })
}
