import { isSecretBinding, type ParsedBinding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { heldEntries, type Knowledge } from '../engine/knowledge.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Moment } from '../engine/questions.ts'
import type { Slow } from './pace.ts'
import { type Summary, summarize } from './summarize.ts'

export interface Conclusion {
	readonly summary: Summary
	/** with what was followed, and when it is polled again */
	readonly knowledge: Knowledge
}

/** What follows from the outcome of a pass, or from a spec that asks for none: status, and the time of the next poll. */
export function conclude(
	parsed: ParsedBinding,
	outcome: Outcome,
	known: Knowledge,
	given: {
		previous: BindingStatus
		workedUntil: number | undefined
		at: Moment
		random: number
		/** the interval is not kept */
		slow?: Slow | undefined
	},
): Conclusion {
	const { previous, workedUntil, at, random, slow } = given
	const binding = parsed.kind === 'active' ? parsed.binding : undefined
	const generation = parsed.kind === 'active' ? parsed.binding.generation : parsed.generation
	// Of a source that was not found out, what the spec says of it is known.
	const vaultUrl = outcome.kind === 'refused' ? (binding?.vaultUrl ?? known.source?.vaultUrl) : known.source?.vaultUrl
	const summary = summarize({
		outcome,
		spec: binding && {
			secrets: binding.secrets,
			secretName: isSecretBinding(binding) ? binding.delivery.name : undefined,
			selects: binding.select.length > 0,
			name: binding.name,
			interval: binding.interval,
			staleAfter: binding.staleAfter,
			requested: binding.requested,
		},
		generation,
		previous,
		track: known.track,
		// A poll has said by itself what they are.
		held: outcome.kind === 'looked' || vaultUrl === undefined ? undefined : heldEntries(known, vaultUrl),
		slow,
		workedUntil,
		now: at.now,
		at: at.monotonic,
		random,
	})
	return {
		summary,
		knowledge: {
			...known,
			track: summary.track,
			generation,
			requested: binding?.requested ?? known.requested,
			overrides: binding?.overrides ?? known.overrides,
			wholePollAt: summary.wholeLookAt ?? Number.POSITIVE_INFINITY,
			nextPollAt: summary.nextLookAt ?? Number.POSITIVE_INFINITY,
		},
	}
}

/** Whether the binding is to be polled now, whatever called for it. */
export const isPollDue = (known: Knowledge, parsed: ParsedBinding, isAskedNow: boolean, at: Moment): boolean => {
	if (known.nextPollAt === undefined || at.monotonic >= known.nextPollAt) return true
	return parsed.kind === 'active' ? isAskedNow : known.generation !== parsed.generation
}
