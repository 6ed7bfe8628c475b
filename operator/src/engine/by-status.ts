import type { Binding } from '../api/parse.ts'
import type { BindingStatus, SecretStatus } from '../api/schema.ts'
import { parseTime } from '../api/time.ts'
import type { ListedSecret } from '../ports/vault.ts'
import { isAsked } from './due.ts'
import { ANSWERED, PERMISSION } from './fault.ts'
import type { Knowledge } from './knowledge.ts'
import type { Moment } from './questions.ts'

// What a node learns from the status of a binding, instead of asking the vault what changed: the operator lists each vault once
// for all nodes, and reads no value; nodes read values, and only of what changed.

const MINUTE_MS = 60_000
const QUARTER_MS = 15 * MINUTE_MS

/**
 * How often the status of a binding says that its vault was polled, for nodes that go by it: at every second poll, not more
 * often than each minute, and at least each quarter of an hour. Each is one small write and one event for each node that
 * follows it.
 */
export const checkTimeEvery = (interval: number): number => Math.min(Math.max(1.5 * interval, MINUTE_MS), QUARTER_MS)

/** For how long nodes go by a status that does not say again that somebody polled: three intervals, or three of its writes. */
export const trustedFor = (interval: number): number => Math.max(3 * interval, 3 * MINUTE_MS)

/** What a node has seen of the status. */
export interface SeenStatus {
	/** all that was followed of the status, as one text */
	readonly text: string
	/** its lastCheckTime, and when (monotonic) this process saw it first. Clocks of two machines are not compared after that */
	readonly checked: string | undefined
	readonly checkedAt: number
}

/** By what a pass goes. */
export type Basis =
	/** The operator polled. `complete`: what it does not name is not wanted any more */
	| { readonly kind: 'status'; readonly entries: StatusEntries; readonly complete: boolean }
	/** The operator is about to poll: what the spec names anew is read, and all else stays. `entries`: as it was last told */
	| { readonly kind: 'awaited'; readonly entries: StatusEntries }
	/** Nobody polls for this process: it polls the vault by itself. */
	| { readonly kind: 'own' }

export type StatusEntries = ReadonlyMap<string, SecretStatus>

const freshOf = ({ conditions = [] }: BindingStatus) => conditions.find(({ type }) => type === 'Fresh')

/** All of a status that a node follows. The time of the poll is not among it. */
export function textOfStatus(status: BindingStatus): string {
	const known = texts.get(status)
	if (known !== undefined) return known
	const { observedGeneration, vault, secrets = [] } = status
	const said = secrets.map((each) => [each.name, each.objectName, each.reason, textOf(each)])
	const text = JSON.stringify([observedGeneration, vault, freshOf(status)?.reason, said])
	texts.set(status, text)
	return text
}

/** Each pass asks for it several times, and most find the status of before. A status is not changed once it is read. */
const texts = new WeakMap<BindingStatus, string>()

/** What the status says of one secret, as far as it asks for a read. A reason does not: who reads settles by the read itself. */
export const textOf = ({ version, updated, expires, state }: SecretStatus): string =>
	JSON.stringify([version, updated, expires, state])

/** What a node knows once it has seen this status. */
export function afterSeen(
	before: SeenStatus | undefined,
	status: BindingStatus,
	interval: number,
	at: Moment,
): SeenStatus {
	const { lastCheckTime: checked } = status
	const text = textOfStatus(status)
	if (before && before.checked === checked) return { ...before, text }
	// At first sight it may be old. A clock that is wrong costs a few polls, or is heard of three intervals later.
	const age = before ? 0 : at.now - (parseTime(checked) ?? at.now)
	const past = Math.min(Math.max(age, 0), trustedFor(interval) + 1)
	return { text, checked, checkedAt: at.monotonic - past }
}

/**
 * By what the next poll goes.
 *
 * 1. Where the operator may not ask, or never did, it has nothing to tell; and when it does not poll any more, nobody does for us.
 *    One of an operator that does not say for what it polled is none either: it would be waited for for ever.
 * 2. A status of this generation and this vault tells what changed.
 * 3. Otherwise the operator has not followed the spec yet. Who has files waits for it, who has none asks.
 *
 * @param hasFiles there are files already
 */
export function basisOf(
	{ generation, interval }: Pick<Binding, 'generation' | 'interval'>,
	status: BindingStatus,
	vaultUrl: string,
	{ checked, checkedAt }: SeenStatus,
	hasFiles: boolean,
	at: Moment,
): Basis {
	const fresh = freshOf(status)
	const isDenied = fresh?.status === 'False' && PERMISSION.has(fresh.reason)
	const isUnclear = status.observedGeneration === undefined || status.vault === undefined
	if (isDenied || isUnclear || checked === undefined || at.monotonic - checkedAt > trustedFor(interval))
		return { kind: 'own' }
	const entries = new Map((status.secrets ?? []).map((each) => [each.name, each]))
	const isOfNow = status.observedGeneration === generation && status.vault === vaultUrl
	if (isOfNow) {
		const complete = fresh !== undefined && (fresh.status === 'True' || ANSWERED.has(fresh.reason))
		return { kind: 'status', entries, complete }
	}
	return hasFiles ? { kind: 'awaited', entries } : { kind: 'own' }
}

/** The vault as the status shows it, in place of a list: what it has, and nothing of what it lacks. */
export function itemsOf(entries: StatusEntries): ReadonlyMap<string, ListedSecret> {
	const items = [...entries.values()].flatMap(({ objectName, updated, expires, state }): [string, ListedSecret][] => {
		const [changed, ends] = [parseTime(updated), parseTime(expires)]
		// Of one that was disabled before anybody read it no times are told.
		const isShown = state !== 'Absent' && state !== 'Pending' && (changed !== undefined || state === 'Disabled')
		if (!isShown) return []
		const facts = {
			...(changed === undefined ? {} : { updated: changed / 1000 }),
			...(ends === undefined ? {} : { expires: ends / 1000 }),
		}
		return [[objectName.toLowerCase(), { objectName, enabled: state !== 'Disabled', tags: {}, ...facts }]]
	})
	return new Map(items)
}

/**
 * Whether the operator agrees that a secret goes: it is not told any more, or as one that nothing is delivered of. One that is
 * pending waits for something, and nobody has counted it among removals.
 */
export const isRemovalInStatus = (entry: SecretStatus | undefined): boolean =>
	entry === undefined || (entry.updated === undefined && entry.state !== 'Pending' && entry.reason !== 'RemovalsHeld')

/** Whether a status tells a node something that it has not followed. */
export const isNews = ({ seenStatus }: Knowledge, status: BindingStatus): boolean =>
	seenStatus?.text !== textOfStatus(status)

/** Whether a node is to begin a pass now: its time has come, the user asked, or the operator told something. */
export const isPassDue = (knowledge: Knowledge, binding: Binding, status: BindingStatus, at: Moment): boolean =>
	knowledge.nextPollAt === undefined ||
	at.monotonic >= knowledge.nextPollAt ||
	isAsked(binding, status, knowledge) ||
	isNews(knowledge, status)
