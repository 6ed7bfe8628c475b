import type { Binding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { nothingKnown } from '../engine/knowledge.ts'
import { pass } from '../engine/pass.ts'
import type { Source } from '../engine/source.ts'
import type { Destination } from '../ports/destination.ts'
import type { Vaults } from '../ports/vault.ts'
import { type Clock, momentOf } from '../process/clock.ts'
import { createAnswer, type MakeForms } from '../run/answer.ts'
import { drive } from '../run/drive.ts'
import { conclude } from '../status/conclude.ts'

export interface FollowOptions {
	readonly binding: Binding
	readonly source: Source
	readonly vaults: Pick<Vaults, 'session'>
	readonly destination: Destination
	readonly makeForms: MakeForms
	readonly clock: Clock
	readonly random: () => number
	readonly signal: AbortSignal
	/** end after the first pass that came to its end */
	readonly once: boolean
	/** told after each pass what is true, and what was before */
	readonly onStatus: (status: BindingStatus, before: BindingStatus) => void
}

// Somebody else wrote to the folder, or it could not be written: a moment later it may be quiet.
const AGAIN_MS = 1_000
// Nothing that is due now is left undone, so this only keeps a mistake of ours from spinning.
const MIN_MS = 50

/**
 * Keeps one folder as its binding says: the passes of the operator, one after the other, with nothing of a cluster around
 * them. Each begins when the status of the one before says so.
 *
 * @returns the last status. @throws signal.reason
 */
export async function follow(options: FollowOptions): Promise<BindingStatus> {
	const { binding, source, vaults, destination, clock, random, signal, once, onStatus, makeForms } = options
	const session = vaults.session(source)
	const answer = createAnswer({ binding, session, destination, makeForms })
	const startedAt = momentOf(clock)
	let knowledge = nothingKnown(binding.uid)
	let status: BindingStatus = {}
	for (;;) {
		const input = { binding, status, knowledge, source, rules: destination.rules, at: momentOf(clock), startedAt }
		const result = await drive(pass(input), { clock, signal, answer })
		knowledge = result.knowledge
		if (result.outcome.kind === 'interrupted') {
			await clock.sleep(AGAIN_MS, signal)
			continue
		}
		const at = momentOf(clock)
		const given = { previous: status, workedUntil: undefined, at, random: random() }
		const { summary, knowledge: next } = conclude({ kind: 'active', binding, status }, result.outcome, knowledge, given)
		knowledge = next
		onStatus(summary.status, status)
		status = summary.status
		if (once) return status
		const wait = (knowledge.nextPollAt ?? at.monotonic) - clock.monotonic()
		await clock.sleep(Math.max(wait, MIN_MS), signal)
	}
}
