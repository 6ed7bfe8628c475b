import type { Binding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { ABSENT_AFTER_MS, type Finding } from './entry.ts'
import { traitsOf } from './fault.ts'
import type { One } from './findings.ts'
import type { PassInput } from './input.ts'
import { holdingOf, type Knowledge } from './knowledge.ts'
import { drifted, secretInManifest } from './manifest-entry.ts'
import type { Moment } from './questions.ts'

// One poll more after the second is over (2 s) and the server's clock has surely moved on.
const SETTLE_MS = 2_500
// Polls that are due in the same half second are due together, so that the bindings of a session share their answers.
const GRID_MS = 500
/** Drift is looked for at each data write and every 5 min: a GET per binding, and edits by others are rare. */
const DRIFT_EVERY_MS = 5 * 60_000

/** The user changed the spec, an annotation that says how to follow it, or asked for a poll. */
export const isAsked = (binding: Binding, status: BindingStatus, knowledge: Knowledge): boolean =>
	knowledge.generation !== binding.generation ||
	(knowledge.overrides !== undefined && knowledge.overrides !== binding.overrides) ||
	isRequested(binding, status, knowledge)

function isRequested(binding: Binding, status: BindingStatus, knowledge: Knowledge): boolean {
	const handled = knowledge.requested ?? status.lastHandledRequest
	return binding.requested !== undefined && binding.requested !== handled
}

/** Whether the destination is to be read back before anything else. */
export const isReadBackDue = ({ holding, driftCheckedAt, refused }: Knowledge, asked: boolean, at: Moment): boolean =>
	holding === undefined || asked || refused !== undefined || at.monotonic - driftCheckedAt >= DRIFT_EVERY_MS

/**
 * How old an answer may be that another binding of the session asked for. What is due at a time takes what was asked since
 * then, so that all bindings with that time share it; whoever asks gets a new one. At the first poll that is the start of
 * this process, unless the binding is younger.
 *
 * @param due names that alone are polled; undefined: all
 */
export function sinceOf(
	{ createdAt = Number.POSITIVE_INFINITY }: Binding,
	knowledge: Knowledge,
	asked: boolean,
	due: ReadonlySet<string> | undefined,
	{ at, startedAt, learnFrom }: Pick<PassInput, 'at' | 'startedAt' | 'learnFrom'>,
): number {
	const now = at.monotonic
	if (learnFrom && !due) {
		// One status sets many pods of a node going, and they ask the same. What is due by its time takes what was asked since then.
		const { wholePollAt = Number.POSITIVE_INFINITY } = knowledge
		return Math.min(wholePollAt <= now ? Math.max(learnFrom.seenAt, wholePollAt) : learnFrom.seenAt, now)
	}
	if (due) return Math.max(...[...due].map((name) => knowledge.due.get(name) ?? now))
	if (knowledge.polls === 0 && knowledge.generation === undefined)
		return createdAt < startedAt.now ? startedAt.monotonic : now
	return asked ? now : Math.min(knowledge.wholePollAt ?? now, now)
}

/** Names that are to be read again now while no whole poll is due; undefined when one is. */
export function namesDue({ wholePollAt, last, due }: Knowledge, now: number): ReadonlySet<string> | undefined {
	if (wholePollAt === undefined || wholePollAt <= now || !last) return undefined
	const names = [...due].filter(([, at]) => at <= now).map(([name]) => name)
	return names.length > 0 ? new Set(names) : undefined
}

/**
 * What to read again before the next whole poll: what is not settled, and what is absent for the first time.
 *
 * @param knowledge with what was due before this poll
 */
export function dueAfter(
	ones: ReadonlyMap<string, One>,
	knowledge: Pick<Knowledge, 'holding' | 'source' | 'due'>,
	now: number,
): Map<string, number> {
	const due = new Map<string, number>()
	const holding = knowledge.holding === 'none' ? undefined : knowledge.holding
	for (const [name, { finding, known, absentSince = now }] of ones) {
		// This poll has not read it: others were due before it.
		const planned = finding.kind === 'unchanged' && known?.settled === false ? knowledge.due.get(name) : undefined
		if (planned !== undefined) due.set(name, planned)
		// From when the vault answered, so that all who share that answer also share the next one.
		if (finding.kind === 'value' && !finding.settled) due.set(name, onGrid((finding.answeredAt ?? now) + SETTLE_MS))
		const isPending =
			finding.kind === 'fault' && traitsOf(finding.fault).reason === 'SecretAbsent' && !finding.confirmed
		if (isPending && secretInManifest(holding, name, knowledge.source?.vaultUrl ?? ''))
			due.set(name, onGrid(absentSince + ABSENT_AFTER_MS))
	}
	return due
}

const onGrid = (at: number) => Math.ceil(at / GRID_MS) * GRID_MS

/** Milliseconds until the first of what is due; undefined when nothing is. */
export const soonest = ({ due }: Knowledge, now: number): number | undefined =>
	due.size === 0 ? undefined : Math.max(Math.min(...due.values()) - now, 0)

/**
 * Monotonic time of the next whole poll: the common one of the session, or earlier when a version expires, its time comes,
 * or a pin ends. After a poll of only some secrets the one that was planned stays. A common time that passed since this poll began
 * is made up for: the time is that one, so that all bindings that missed it share the answers.
 *
 * @param knowledge after this poll
 * @param ticks the next common time of the session, and how far they are apart
 * @param begun when this poll began
 */
export function nextWhole(
	{ secrets, last, wholePollAt }: Knowledge,
	ticks: { readonly next: number; readonly interval: number },
	at: Moment,
	{ begun, partly }: { readonly begun: Moment; readonly partly: boolean },
): number {
	const before = ticks.next - ticks.interval
	const tick = before > begun.monotonic ? before : ticks.next
	const next = partly && wholePollAt !== undefined ? wholePollAt : tick
	// On a time that had come when it began a poll has acted, this one or the whole one before: what that one did not act on is among what it
	// planned. Of what is disabled it changes nothing, and stays what is known.
	const isToCome = (time: number | undefined): time is number => time !== undefined && time > begun.now
	const times = [...[...secrets.values()].map(({ turnAt }) => turnAt), last?.pins.until].filter(isToCome)
	const turns = times.map((time) => at.monotonic + time - at.now)
	return Math.min(next, ...turns)
}

/**
 * Names to read whatever is known: their bytes are missing, of another vault, or written by somebody else. What is not
 * delivered for a known cause is not asked for again.
 *
 * @param findings what was found out of them last
 */
export function toRead(
	names: readonly string[],
	findingOf: (name: string) => Finding | undefined,
	knowledge: Knowledge,
): Set<string> {
	const holding = holdingOf(knowledge)
	const isThere = (name: string) => {
		const entry = secretInManifest(holding, name, knowledge.source?.vaultUrl ?? '')
		return entry !== undefined && entry.vault === undefined
	}
	const missing = names.filter((name) => !isThere(name) && isRepeated(findingOf(name)))
	return new Set([...missing, ...(holding ? drifted(holding, names.filter(isThere), knowledge.accepted) : [])])
}

/** Whether it says that the bytes of before are to stay. */
export const isRepeated = (finding: Finding | undefined = { kind: 'unchanged' }) =>
	finding.kind === 'unchanged' || (finding.kind === 'value' && finding.value === undefined)
