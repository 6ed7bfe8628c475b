import {
	MANIFEST_FILE,
	MANIFEST_SCHEMA,
	type Manifest,
	type ManifestSecret,
	type ManifestWanted,
	previousFileName,
	sameContent,
} from 'purista-azure-mounted-secret-store/manifest'
import type { Reason } from '../api/conditions.ts'
import type { Binding } from '../api/parse.ts'
import { brakeByStatus, brakeRemovals, type WaitingRemovals } from './brake.ts'
import type { StatusEntries } from './by-status.ts'
import type { Content } from './decode.ts'
import { type EntryResult, matches } from './entry.ts'
import { nameOfForm } from './form.ts'
import type { Change, DestinationRules, Holding, Verdict } from './holding.ts'
import { objectKey } from './known.ts'
import { entryOf, secretInManifest } from './manifest-entry.ts'
import type { Withheld } from './outcome.ts'
import { pauseAfter } from './pause.ts'
import type { Poll } from './poll.ts'
import type { Piece } from './questions.ts'
import { manifestSelectors } from './select.ts'

export interface ChangeInput {
	readonly binding: Binding
	readonly vaultUrl: string
	readonly results: readonly EntryResult[]
	/** undefined: there is nothing */
	readonly holding: Holding | undefined
	/** highest revision that was seen: the next one is higher */
	readonly revision: number
	/** removals that the selectors of the spec asked for wait: the manifest goes on naming those of before */
	readonly selectorsWait?: boolean
	/** what the status tells, when that is what is gone by: then its removals alone count */
	readonly statusEntries?: StatusEntries | undefined
}

/** What is to be done, and what of it waits. */
export interface Planned {
	readonly results: readonly EntryResult[]
	readonly removals: WaitingRemovals | undefined
	/** what the destination refuses while it takes the rest, or what all waits for */
	readonly withheld: Withheld | undefined
	readonly change: Change
	readonly verdict: Verdict
}

/**
 * The change that brings the destination to what was decided.
 *
 * 1. Removals wait when there are too many of them.
 * 2. What the destination would refuse of it stays as it is, with all files of the same value, and the rest is asked for.
 */
export function* planChange(
	input: ChangeInput,
	poll: Pick<Poll, 'ones' | 'selectors'>,
	rules: DestinationRules,
	digestOf: (text: string) => string,
): Piece<Planned> {
	const { binding } = input
	const { results, waiting } = input.statusEntries
		? { results: brakeByStatus(input.results, input.statusEntries), waiting: undefined }
		: brakeRemovals(input.results, binding.policy.maxRemovals, binding.allowRemovals, digestOf)
	const bySelectors = results.some(({ wanted: { name } }) => {
		const finding = poll.ones.get(name)?.finding
		return waiting?.names.includes(name) && finding?.kind === 'leaves' && finding.why === 'selectors'
	})
	// Without a list nothing is known of new selectors, so the old ones go on.
	const selectorsWait = bySelectors || (binding.select.length > 0 && poll.selectors !== 'listed')
	const asked = { ...input, results, selectorsWait }
	const change = changeOf(asked)
	yield* pauseAfter(results)
	const verdict = rules.judge(change)
	const all: Planned = { results, removals: waiting, withheld: undefined, change, verdict }
	return verdict.kind === 'refused' && verdict.files ? yield* withoutRefused(asked, all, rules, verdict) : all
}

/** The same without what is refused of it. When that is refused as well, nothing changes. */
export function* withoutRefused(
	input: ChangeInput,
	planned: Planned,
	rules: DestinationRules,
	{ reason, message, files = [] }: { reason: Reason; message: string; files?: readonly string[] | undefined },
): Piece<Planned> {
	const objects = new Set(
		planned.results.filter((result) => filesOfResult(result).some((file) => files.includes(file))).map(objectOf),
	)
	const isOut = (result: EntryResult) => objects.has(objectOf(result))
	const results = planned.results.map((result) => (isOut(result) ? asBefore(result, reason, input) : result))
	yield* pauseAfter(results)
	const change = changeOf({ ...input, results })
	yield* pauseAfter(results)
	const verdict = rules.judge(change)
	if (objects.size === 0 || verdict.kind === 'refused') return planned
	const before = planned.withheld
	const names = [...(before?.names ?? []), ...results.filter(isOut).map(({ wanted }) => wanted.name)]
	const text = before ? `${before.message} ${message}` : message
	return { ...planned, results, change, verdict, withheld: { reason, message: text, names } }
}

const objectOf = ({ wanted }: EntryResult) => objectKey(wanted)
const filesOfResult = ({ wanted, previous, value, remove }: EntryResult): string[] => [
	...(value !== undefined || remove ? [wanted.name] : []),
	...[...previous.keys()].map((index) => previousFileName(wanted.name, index + 1)),
]

/** A secret whose change does not happen: what is there is what it was. */
export function asBefore(
	result: EntryResult,
	reason: Reason,
	{ holding, vaultUrl }: Pick<ChangeInput, 'holding' | 'vaultUrl'>,
): EntryResult {
	const before = secretInManifest(holding, result.wanted.name, vaultUrl)
	const isIt = matches(before, result.wanted)
	return {
		...result,
		inManifest: before,
		value: undefined,
		remove: false,
		instead: undefined,
		previous: new Map(),
		state: isIt ? before.state : 'Pending',
		reason: result.fault && !isIt ? result.reason : reason,
	}
}

/** Whether a result asks for bytes to come or to go. */
export const isChange = ({ value, remove, previous }: EntryResult): boolean =>
	value !== undefined || remove || previous.size > 0

/**
 * The change that the results ask for: new bytes, and files that were ours (by manifest, or by writer) and are wanted no more.
 * Files of others are not ours to touch.
 */
export function changeOf(input: ChangeInput): Change {
	const { binding, results, holding } = input
	const set = new Map<string, Content>()
	for (const { wanted, value, previous } of results) {
		if (value !== undefined) set.set(wanted.name, value)
		for (const [index, content] of previous) set.set(previousFileName(wanted.name, index + 1), content)
	}
	const mine = new Set(Object.entries(holding?.manifest?.secrets ?? {}).flatMap(filesOf))
	// What selectors brought stands in the manifest alone: when that was lost, of no file is known that nobody wants it any more.
	const isWriterEnough = binding.select.length === 0
	for (const [name, { foreign }] of holding?.files ?? []) if (foreign === undefined && isWriterEnough) mine.add(name)
	// A removal that no brake counts is about older versions beside a gap: nobody knows whose a file in there is.
	const leftOf = ({ wanted, instead }: EntryResult) => (instead ? [] : [wanted.name])
	const stays = new Set(results.flatMap((result) => (result.remove ? leftOf(result) : filesThatStay(result, input))))
	const drop = [...(holding?.files.keys() ?? [])].filter(
		(name) => name !== MANIFEST_FILE && mine.has(name) && !stays.has(name),
	)
	// Without a single value, pods would start with an empty directory instead of waiting; unless nothing more is to come.
	const isAny = results.some(({ inManifest }) => inManifest !== undefined)
	const isAllAbsent = results.length > 0 && results.every(({ wanted, state }) => wanted.optional && state === 'Absent')
	return { set, drop, manifest: buildManifest(input), on: holding, create: isAny || isAllAbsent }
}

/** The files of a secret: its own and those of its older versions. */
const filesOf = ([name, { previous }]: [string, Pick<ManifestSecret, 'previous'>]): string[] => [
	name,
	...previous.map((_, i) => previousFileName(name, i + 1)),
]

/** Files that a wanted secret has after the write. While it is pending, older bytes stay until there are new ones. */
const filesThatStay = (result: EntryResult, input: ChangeInput): string[] =>
	filesOf([result.wanted.name, entryAfter(result, input) ?? { previous: [] }])

/**
 * What the manifest says of a secret after the write. When somebody took its file away and it cannot be read now, older
 * versions stay beside the gap, and the entry that tells of them.
 */
function entryAfter(
	{ wanted, inManifest, remove }: EntryResult,
	{ holding, vaultUrl }: Pick<ChangeInput, 'holding' | 'vaultUrl'>,
): ManifestSecret | undefined {
	if (inManifest || remove || !holding?.manifest) return inManifest
	const before = entryOf(holding.manifest, wanted.name, vaultUrl)
	const isAny = before?.previous.some((_, i) => holding.files.has(previousFileName(wanted.name, i + 1)))
	return isAny ? before : undefined
}

/** The manifest that describes the results: the one that is there when it still does, otherwise the next revision. */
export function buildManifest({
	binding,
	vaultUrl,
	results,
	holding,
	revision,
	selectorsWait = false,
}: ChangeInput): Manifest {
	const secrets = Object.fromEntries(
		results.flatMap((result): [string, ManifestSecret][] => {
			const entry = entryAfter(result, { holding, vaultUrl })
			return entry === undefined ? [] : [[result.wanted.name, entry]]
		}),
	)
	const wanted = Object.fromEntries(
		results.flatMap((result): [string, ManifestWanted][] => {
			// Where a selected name leads is what the selectors say.
			if (result.wanted.selected || matches(result.inManifest, result.wanted)) return []
			const { name, objectName, version, form } = result.wanted
			const how = nameOfForm(form)
			return [
				[
					name,
					{ objectName, ...(version === undefined ? {} : { version }), ...(how === undefined ? {} : { form: how }) },
				],
			]
		}),
	)
	const { namespace, name, uid } = binding
	const before = holding?.manifest
	const last = Math.max(before?.revision ?? 0, revision)
	const next: Manifest = {
		schema: MANIFEST_SCHEMA,
		revision: last,
		binding: { namespace, name, uid },
		vault: vaultUrl,
		selectors: selectorsWait && before ? before.selectors : manifestSelectors(binding.select),
		secrets,
		...(Object.keys(wanted).length > 0 ? { wanted } : {}),
	}
	// One with a higher revision may have been written since, and somebody else may have written over it.
	const isLatest = before !== undefined && before.revision >= revision
	return isLatest && sameContent(before, next) ? before : { ...next, revision: last + 1 }
}
