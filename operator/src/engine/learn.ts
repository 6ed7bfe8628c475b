import type { Manifest } from 'purista-azure-mounted-secret-store/manifest'
import type { Binding, WantedSecret } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { parseTime } from '../api/time.ts'
import { dueAfter } from './due.ts'
import type { EntryResult, Finding } from './entry.ts'
import { traitsOf } from './fault.ts'
import { type Holding, withoutContent } from './holding.ts'
import { holdingOf, type Knowledge } from './knowledge.ts'
import { type Known, knownAfterRestart } from './known.ts'
import { secretInManifest } from './manifest-entry.ts'
import type { Older } from './older.ts'
import type { Poll } from './poll.ts'
import type { Answers, Moment } from './questions.ts'
import type { Refused } from './refused.ts'
import { selectedSecret } from './select.ts'

type ReadBack = Extract<Answers['readBack'], { kind: 'none' | 'ours' }>

/** What is known after the destination was read back; the first time also what its manifest and the status tell. */
export function afterReadBack(
	knowledge: Knowledge,
	read: ReadBack,
	{ binding, status }: { binding: Binding; status: BindingStatus },
	at: Moment,
): Knowledge {
	const seen = { ...knowledge, driftCheckedAt: at.monotonic, readBefore: true }
	// It was written before and its revision is lost: go on above any that it can have had (one change a second at most).
	const isWritten = !knowledge.readBefore && status.lastChangeTime !== undefined
	const lost = (revision: number) =>
		isWritten && revision === 0 ? Math.floor(latest(status, at) / 1000) + 1 : revision
	if (read.kind === 'none') {
		const gone = knowledge.holding === 'none' ? {} : NOTHING_KNOWN_OF_IT
		return { ...seen, ...gone, holding: 'none', revision: lost(knowledge.revision) }
	}
	const holding = withManifest(withoutContent(read.holding), knowledge)
	const highest = Math.max(knowledge.revision, plausible(read.holding.revision), holding.manifest?.revision ?? 0)
	const revision = holding.manifest ? highest : lost(highest)
	const now: Knowledge = { ...seen, ...knownOfHolding(knowledge, holding), holding, revision }
	// An identity of before may stand in a spec that was changed while nobody looked, and it read what this one may not.
	if (knowledge.readBefore || status.observedGeneration !== binding.generation) return now
	return { ...now, secrets: new Map([...knownOf(holding, now, binding, status, at), ...knowledge.secrets]) }
}

/** The clock may have been set back since the operator before this one took its revision from it. */
const latest = ({ lastChangeTime, lastCheckTime }: BindingStatus, { now }: Moment) =>
	Math.max(now, parseTime(lastChangeTime) ?? now, parseTime(lastCheckTime) ?? now)

/** What is known of secrets when the place that held them is gone, or another one: all of them are read. */
const NOTHING_KNOWN_OF_IT = {
	secrets: new Map(),
	older: new Map(),
	accepted: new Map(),
	last: undefined,
	due: new Map(),
} satisfies Partial<Knowledge>

/**
 * What is known of the secrets is what was delivered to a place. Of another place, such as under another name or restored from
 * a backup, nothing is; and of a file that is not the one that was seen last, because a write was done whose answer got lost,
 * nothing either: these are read again.
 */
function knownOfHolding(knowledge: Knowledge, holding: Holding): Partial<Knowledge> {
	const { holding: before, secrets, readBefore } = knowledge
	if (!readBefore) return {}
	if (before === undefined || before === 'none' || before.id !== holding.id) return NOTHING_KNOWN_OF_IT
	const isSame = (name: string) => {
		const [a, b] = [before, holding].map(({ manifest }) => manifest?.secrets[name])
		return (
			a?.version === b?.version &&
			a?.state === b?.state &&
			a?.objectName === b?.objectName &&
			a?.pinned === b?.pinned &&
			a?.form === b?.form &&
			// Of one version: what is said of a pinned one may change, and the status that told it may be lost.
			a?.updated === b?.updated &&
			a?.expires === b?.expires
		)
	}
	return { secrets: new Map([...secrets].filter(([name]) => isSame(name))) }
}

/**
 * The manifest counts while its file is ours. Edited by somebody, or not delivered at all, what this process remembers takes
 * its place; after a restart that is nothing, and everything is read again.
 */
export function withManifest(holding: Holding, { holding: before }: Pick<Knowledge, 'holding'>): Holding {
	if (holding.manifest) return holding
	const isSame = before !== undefined && before !== 'none' && before.id === holding.id
	return { ...holding, manifest: isSame ? before.manifest : undefined }
}

// A forged revision must not use up the numbers. 10^12 is beyond any that counting or seconds since 1970 reach.
const plausible = (revision: number) => (revision < 1e12 ? revision : 0)

/** What manifest and status tell of the secrets, those of the present vault alone. */
function knownOf(
	holding: Holding,
	{ source }: Knowledge,
	binding: Binding,
	status: BindingStatus,
	at: Moment,
): [string, Known][] {
	const named = new Set(binding.secrets.map(({ name }) => name))
	const rest = Object.entries(holding.manifest?.secrets ?? {}).filter(([name]) => !named.has(name))
	const wanted: WantedSecret[] = [
		...binding.secrets,
		...rest.map(([name, { objectName }]) => selectedSecret(name, objectName)),
	]
	return wanted.flatMap((each): [string, Known][] => {
		const shown = status.secrets?.find(({ name }) => name === each.name)
		const before = secretInManifest(holding, each.name, source?.vaultUrl ?? '')
		const known = knownAfterRestart(each, before, shown, binding.policy, at.now)
		return known ? [[each.name, known]] : []
	})
}

/** What a pass came to that nothing kept from its end. */
export interface Learnt {
	readonly poll: Poll
	readonly older: Older
	readonly accepted: ReadonlyMap<string, string>
	/** undefined: there was nothing to write */
	readonly written: Holding | undefined
	/** results whose new bytes were not written */
	readonly unwritten: readonly EntryResult[]
	/** with nothing written: what is said of what is there */
	readonly manifest?: Manifest | undefined
}

/**
 * What is known after the write, or when there was nothing to write. Of what was not written nothing is learnt but when it
 * was absent: it is read again. So is, at the next poll, a secret that failed.
 */
export function afterWrite(
	knowledge: Knowledge,
	{ poll, older, accepted, written, unwritten, manifest }: Learnt,
	at: Moment,
): Knowledge {
	const lost = new Set(unwritten.map(({ wanted }) => wanted.name))
	const entries = <T>(pick: (name: string) => T | undefined) =>
		new Map(
			[...poll.ones.keys()].flatMap((name) => {
				const value = pick(name)
				return value === undefined ? [] : [[name, value] as const]
			}),
		)
	const secrets = entries((name) => (lost.has(name) ? undefined : poll.ones.get(name)?.known))
	const findings = entries((name) => {
		const finding = poll.ones.get(name)?.finding
		return finding?.kind === 'value' ? (secrets.get(name)?.finding ?? { kind: 'unchanged' as const }) : finding
	})
	const { wanted, selectors, pins } = poll
	const next: Knowledge = {
		...knowledge,
		secrets,
		accepted,
		absentSince: entries((name) => poll.ones.get(name)?.absentSince),
		older: lost.size > 0 ? knowledge.older : older.known,
		last: { wanted, selectors, pins, findings },
		refused: undefined,
		holding: described(knowledge.holding, manifest),
		...(written && {
			holding: written,
			revision: Math.max(knowledge.revision, written.manifest?.revision ?? 0),
			driftCheckedAt: at.monotonic,
		}),
	}
	const isMarked = (name: string) => holdingOf(next)?.manifest?.secrets[name]?.state === 'Absent'
	const seenAgain = new Set([...seenIn(poll, knowledge.seenAgain)].filter(isMarked))
	// Between two whole polls the last one is repeated, which may not say of what was not written that it is there.
	return { ...next, seenAgain, due: lost.size > 0 ? new Map() : dueAfter(poll.ones, next, at.monotonic) }
}

/** What is not written anywhere is remembered here, or the next poll would tell again what was true before. */
const described = (holding: Knowledge['holding'], manifest: Manifest | undefined): Knowledge['holding'] =>
	holding === undefined || holding === 'none' || !manifest ? holding : { ...holding, manifest }

/** After a write that was refused: what a human does about it is seen at the next poll, not when drift is due. */
export const afterRefusal = (knowledge: Knowledge, refused: Refused | undefined): Knowledge => ({
	...knowledge,
	refused,
	driftCheckedAt: Number.NEGATIVE_INFINITY,
})

/** What a poll saw of the vault is so whatever became of its write: what is there again is absent anew after that. */
export function seenBy(
	poll: Poll,
	{ absentSince, seenAgain }: Knowledge,
): Pick<Knowledge, 'absentSince' | 'seenAgain'> {
	const ones = [...poll.ones]
	return {
		absentSince: new Map([
			...[...absentSince].filter(([name]) => !poll.ones.has(name)),
			...ones.flatMap(([name, one]): [string, number][] =>
				one.absentSince === undefined ? [] : [[name, one.absentSince]],
			),
		]),
		seenAgain: seenIn(poll, seenAgain),
	}
}

/** What the vault has again: until it has called it absent for long enough anew, what a manifest says of it is older. */
function seenIn({ ones }: Poll, before: ReadonlySet<string>): ReadonlySet<string> {
	const seen = new Set(before)
	for (const [name, { finding }] of ones) {
		if (isSeen(finding)) seen.add(name)
		else if (finding.kind === 'fault' && finding.confirmed) seen.delete(name)
	}
	return seen
}

/** Whether the vault has it, with whatever is the matter with its value. */
function isSeen(finding: Finding): boolean {
	switch (finding.kind) {
		case 'value':
		case 'flawed':
		case 'collision':
			return true
		case 'leaves':
			return finding.why === 'deselected'
		case 'fault':
			return finding.fault.kind !== 'absent' && traitsOf(finding.fault).class === 'secret'
		case 'unchanged':
			return false
	}
}
