import type { Manifest } from 'purista-azure-mounted-secret-store/manifest'
import { asBefore, isChange, type Planned, withoutRefused } from './change.ts'
import type { EntryResult } from './entry.ts'
import type { Change, Holding, Verdict } from './holding.ts'
import type { PassInput } from './input.ts'
import { holdingOf, type Knowledge } from './knowledge.ts'
import { secretInManifest } from './manifest-entry.ts'
import { type Away, ask, type Moment, type Piece, type Refusal } from './questions.ts'

/** What became of the one write of a pass. */
export type Written =
	| {
			readonly kind: 'done'
			readonly planned: Planned
			/** undefined: there was nothing to write */
			readonly holding: Holding | undefined
			readonly unwritten: readonly EntryResult[]
			readonly at: Moment
			/** what there is to be said of files that stay as they are, of a destination that keeps no manifest */
			readonly manifest?: Manifest | undefined
	  }
	/** `knowledge`: when it is other than after a refusal */
	| { readonly kind: 'ended'; readonly broke: Refusal | Away; readonly knowledge?: Knowledge }

/** Writes the change, or as much of it as is taken. */
export function* write(
	input: PassInput,
	known: Knowledge,
	present: Holding | undefined,
	planned: Planned,
): Piece<Written> {
	const { verdict, change } = planned
	const asked = {
		binding: input.binding,
		vaultUrl: input.source.vaultUrl,
		results: planned.results,
		holding: present ?? holdingOf(known),
		revision: known.revision,
	}
	const unwritten = planned.results.filter(({ wanted }) => planned.withheld?.names.includes(wanted.name))
	if (verdict.kind === 'nothing')
		return { kind: 'done', planned, holding: undefined, unwritten, at: input.at, manifest: change.manifest }
	if (verdict.kind === 'refused') return refusedBefore(input, planned, verdict, asked)
	const { answer, at } = yield* ask({ ask: 'write', change })
	// Written or not: what is there is seen when it is read back.
	const unknown: Knowledge = { ...known, driftCheckedAt: Number.NEGATIVE_INFINITY }
	switch (answer.kind) {
		case 'away': {
			// The next revision is above one that may be there.
			const revision = Math.max(known.revision, change.manifest.revision)
			return { kind: 'ended', broke: answer, knowledge: { ...unknown, revision, holding: doubted(known, change) } }
		}
		case 'lostRace':
			return {
				kind: 'ended',
				broke: { kind: 'away', error: new Error('the destination was changed meanwhile') },
				knowledge: unknown,
			}
		case 'refused': {
			const rest = answer.files && (yield* withoutRefused(asked, planned, input.rules, answer))
			if (!rest || rest === planned) return { kind: 'ended', broke: answer }
			return yield* write(input, known, present, rest)
		}
		case 'written': {
			const { holding } = answer
			return {
				kind: 'done',
				planned,
				holding: { ...holding, content: undefined, manifest: holding.manifest ?? change.manifest },
				unwritten,
				at,
			}
		}
	}
}

/** What the manifest that is remembered says of files that may have been written since is not to be relied on. */
function doubted({ holding }: Knowledge, { set, drop }: Change): Knowledge['holding'] {
	if (holding === undefined || holding === 'none' || !holding.manifest) return holding
	const entries = Object.entries(holding.manifest.secrets).filter(([name]) => !set.has(name) && !drop.includes(name))
	// Nobody ever wrote this one, so the next is never the same, whatever it says.
	return { ...holding, manifest: { ...holding.manifest, revision: 0, secrets: Object.fromEntries(entries) } }
}

/** What the destination would refuse is not asked for. */
function refusedBefore(
	{ at }: PassInput,
	planned: Planned,
	{ reason, message, missing }: Extract<Verdict, { kind: 'refused' }>,
	asked: Parameters<typeof asBefore>[2],
): Written {
	// A file that it cannot be without is not there because reading it failed: that fault is the thing to tell.
	const isCause = ({ wanted, fault }: EntryResult) => fault !== undefined && missing?.includes(wanted.name)
	if (!planned.results.some(isCause)) return { kind: 'ended', broke: { kind: 'refused', reason, message } }
	const unwritten = planned.results.filter(isChange)
	return { kind: 'done', planned: waiting(planned, { reason, message }, asked), holding: undefined, unwritten, at }
}

/** Nothing is written, because of files that are missing: what would have been waits for them, and is not called delivered. */
const waiting = (
	planned: Planned,
	{ reason, message }: Pick<Refusal, 'reason' | 'message'>,
	asked: Parameters<typeof asBefore>[2],
): Planned => ({
	...planned,
	results: planned.results.map((result) => (isChange(result) ? asBefore(result, reason, asked) : result)),
	withheld: { reason, message, names: planned.results.filter(isChange).map(({ wanted }) => wanted.name) },
})

/** What became of places under former names: they wait until the present one holds all that the spec names, then they go. */
export type Former = { readonly kind: 'done' } | { readonly kind: 'waits'; readonly name: string } | Refusal | Away

export function* removeFormer({ binding, status, source, rules }: PassInput, known: Knowledge): Piece<Former> {
	const { secretName } = status
	// Of a binding that is delivered into volumes now, the Secret of before is a former place.
	const names = [...new Set([...(secretName === undefined ? [] : [secretName]), ...known.leftPlaces])]
	const [name, ...others] = names.filter((each) => each !== rules.name)
	if (name === undefined) return { kind: 'done' }
	const isThere = (file: string) => secretInManifest(holdingOf(known), file, source.vaultUrl) !== undefined
	if (!binding.secrets.every((each) => each.optional || isThere(each.name))) return { kind: 'waits', name }
	for (const formerName of [name, ...others]) {
		const { answer } = yield* ask({ ask: 'removeFormer', formerName })
		if (answer.kind !== 'done') return answer
	}
	return { kind: 'done' }
}

/** Where the last pass delivered to, and what is left of names that the spec has no more. */
export function placesOf(
	{ place, leftPlaces }: Knowledge,
	name: string | undefined,
): Pick<Knowledge, 'place' | 'leftPlaces'> {
	const left = place === undefined || leftPlaces.includes(place) ? leftPlaces : [...leftPlaces, place]
	return { place: name, leftPlaces: left.filter((each) => each !== name) }
}
