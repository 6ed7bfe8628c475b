import { MAX_SECRETS } from '../api/constants.ts'
import type { Planned } from './change.ts'
import { nextWhole, soonest } from './due.ts'
import type { VaultFault } from './fault.ts'
import type { Broke } from './findings.ts'
import type { Holding } from './holding.ts'
import type { PassInput, PassResult } from './input.ts'
import type { Knowledge } from './knowledge.ts'
import { repeatTrouble } from './older.ts'
import type { FaultContext, Outcome } from './outcome.ts'
import type { Poll } from './poll.ts'
import { type Answers, ask, type Fault, type Piece, type Refusal } from './questions.ts'
import type { Source } from './source.ts'
import type { Written } from './write.ts'

/** What a write was, for whoever follows writes. */
export const writtenOf = ({ holding, planned }: Extract<Written, { kind: 'done' }>): PassResult['written'] =>
	holding && { holding, files: planned.verdict.kind === 'fits' && planned.verdict.files }

/** A pass that somebody in the cluster has to do something for, or that is to be begun again. */
export function ended(
	knowledge: Knowledge,
	broke: Exclude<Broke, Fault>,
	firstSeen: Holding | undefined,
	written?: PassResult['written'],
): PassResult {
	const outcome: PassResult['outcome'] =
		broke.kind === 'refused'
			? { kind: 'refused', reason: broke.reason, message: broke.message, missing: broke.missing }
			: { kind: 'interrupted', error: broke.error }
	return { knowledge, outcome, firstSeen, written, polled: false, propagated: [] }
}

export const tooMany = (count: number): Refusal => ({
	kind: 'refused',
	reason: 'TooManySecrets',
	message: `Entries and selectors ask for ${count} secrets; a binding delivers at most ${MAX_SECRETS}. Narrow the selectors, or spread them over several bindings. Nothing was changed.`,
})

/** What a fault happened to. The issuer is known only after the first token. */
const contextOf = (
	{ vaultUrl, tenantId, clientId, audience, namespace, serviceAccount }: Source,
	{ issuer }: Answers['session'],
): FaultContext => ({
	vaultUrl,
	tenantId,
	clientId,
	audience,
	namespace,
	serviceAccount,
	issuer,
})

/** The poll failed as a whole. */
export function* failed(
	input: PassInput,
	known: Knowledge,
	fault: VaultFault,
	firstSeen: Holding | undefined,
): Piece<PassResult> {
	const { binding, source } = input
	const { answer: session } = yield* ask({ ask: 'session', follow: undefined, interval: binding.interval })
	const outcome: Outcome = {
		kind: 'failed',
		fault,
		at: contextOf(source, session),
	}
	return { knowledge: known, outcome, firstSeen, written: undefined, polled: false, propagated: [] }
}

/** A pass that nothing kept from its end. */
export interface Done {
	/** only some secrets were polled */
	readonly partly: boolean
	readonly poll: Poll
	readonly planned: Planned
	readonly written: Extract<Written, { kind: 'done' }>
	readonly older: Knowledge['older']
	readonly former: { readonly kind: 'done' } | { readonly kind: 'waits'; readonly name: string }
	readonly fault: VaultFault | undefined
	readonly firstSeen: Holding | undefined
}

/** The vault was polled, and what could be delivered is. */
export function* polledResult(input: PassInput, done: Done, known: Knowledge): Piece<PassResult> {
	const { binding, source } = input
	const {
		planned,
		written,
		partly,
		poll: { selectors, pins, ones },
	} = done
	const { answer: session, at } = yield* ask({ ask: 'session', follow: undefined, interval: binding.interval })
	const { change, removals, withheld, results } = planned
	const outcome: Outcome = {
		kind: 'polled',
		results: results.map((result) => repeatTrouble(result, done.older)),
		at: contextOf(source, session),
		changed: written.holding !== undefined && change.set.size + change.drop.length > 0,
		again: soonest(known, at.monotonic),
		nextAt: nextWhole(known, { next: session.nextTick, interval: binding.interval }, at, {
			begun: input.at,
			partly,
		}),
		selectors,
		removals,
		pins,
		...(withheld && { withheld }),
		...(done.former.kind === 'waits' && { formerName: done.former.name }),
	}
	const propagated = results.flatMap(({ wanted, value }) => {
		const finding = ones.get(wanted.name)?.finding
		const updated = finding?.kind === 'value' && value !== undefined ? finding.facts.updated : undefined
		return updated === undefined || !written.holding ? [] : [Math.max(0, at.now / 1000 - updated)]
	})
	return {
		knowledge: done.former.kind === 'done' ? { ...known, leftPlaces: [] } : known,
		outcome,
		firstSeen: done.firstSeen,
		written: writtenOf(written),
		polled: done.fault === undefined,
		propagated,
	}
}
