import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { isSecretBinding } from '../api/deliveries.ts'
import type { Binding, ParsedBinding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { fileEntriesOf, type Knowledge } from '../engine/knowledge.ts'
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
		/** of bindings that are delivered by volumes nodes read the values, and not who concludes this */
		nodesRead?: boolean
	},
): Conclusion {
	const { previous, workedUntil, at, random, slow, nodesRead = false } = given
	const binding = parsed.kind === 'active' ? parsed.binding : undefined
	const generation = parsed.kind === 'active' ? parsed.binding.generation : parsed.generation
	const summary = summarize({
		outcome,
		spec: binding && {
			...binding,
			secretName: isSecretBinding(binding) ? binding.delivery.name : undefined,
			nodesRead: nodesRead && !isSecretBinding(binding),
			remembers: !isSecretBinding(binding) || !binding.delivery.manifest,
			selects: binding.select.length > 0,
		},
		generation,
		previous,
		pollHistory: known.pollHistory,
		// A poll has said by itself what they are.
		fileEntries: outcome.kind === 'polled' ? undefined : entriesFor(binding, outcome, known, previous),
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
			pollHistory: summary.pollHistory,
			generation,
			requested: binding?.requested ?? known.requested,
			overrides: binding?.overrides ?? known.overrides,
			wholePollAt: summary.wholePollAt ?? Number.POSITIVE_INFINITY,
			nextPollAt: summary.nextPollAt ?? Number.POSITIVE_INFINITY,
		},
	}
}

/**
 * What the files are known to be, for a poll that came to no end; undefined: what the status said of them goes on. A spec that
 * no poll has followed yet is not said to be delivered by bytes of which it is not known what they are.
 */
function entriesFor(
	binding: Binding | undefined,
	outcome: Outcome,
	known: Knowledge,
	{ observedGeneration }: BindingStatus,
): ReadonlyMap<string, ManifestSecret> | undefined {
	const isNew = binding !== undefined && observedGeneration !== binding.generation
	// Of a source that was not found out, what the spec says of it is known; a ServiceAccount may name another vault by now.
	const before = isNew && outcome.kind === 'refused' ? undefined : known.source?.vaultUrl
	const vaultUrl = outcome.kind === 'refused' ? (binding?.vaultUrl ?? before) : before
	const entries = vaultUrl === undefined ? undefined : fileEntriesOf(known, vaultUrl)
	return entries ?? (isNew ? new Map() : undefined)
}

/** Whether the binding is to be polled now, whatever called for it. */
export const isPollDue = (known: Knowledge, parsed: ParsedBinding, isAskedNow: boolean, at: Moment): boolean => {
	if (known.nextPollAt === undefined || at.monotonic >= known.nextPollAt) return true
	return parsed.kind === 'active' ? isAskedNow : known.generation !== parsed.generation
}
