// What the model wants of every file of a binding, moment by moment.
import { Course, type Item, type Policy, type Target, type Times, targetOf, type VaultHistory } from './model.ts'

/** What a spec asks of one file. */
export interface FileWish {
	vault: string
	objectName: string
	/** a version that the spec asks for */
	pin?: string | undefined
	/** what a selector asks for; undefined: the spec names the secret */
	tag?: readonly [string, string] | undefined
	/** its absence does not keep the binding from Ready */
	optional?: boolean | undefined
	/** so many older versions are kept beside it */
	older?: number | undefined
	/** files with the same text here are made of one value, and change together */
	group?: string | undefined
}

/** What a binding asks for. */
export interface Asked {
	generation: number
	/** by file name: those that the spec asks for, or may select */
	wishes: ReadonlyMap<string, FileWish>
	policy: Policy
	maxRemovals: number
	suspend: boolean
	/** what the annotation hold pins, and until when (milliseconds since the epoch) */
	hold: { name: string; id: string; until?: number } | undefined
}

/** One file, as its place last showed it. */
export interface File {
	/** only selectors bring it */
	selected: boolean
	course: Course
	/** undefined: not there */
	text: string | undefined
	/** the same as we last wrote it, whatever somebody else made of it since */
	written: string | undefined
	/** the same, as the status tells it */
	byStatus: { course: Course; version: string | undefined }
}

/** A binding and what was seen of it so far. */
export interface Watching {
	name: string
	asked: Asked
	/** what it asked for before, as long as the operator may not have seen the edits since: its watch may be silent */
	before: Asked[]
	/** names that the annotation allow-removals lets go */
	acknowledged: ReadonlySet<string>
	/** the same that somebody else counted already, for all places of the binding */
	agreed: ReadonlySet<string>
	/** all files that it may ever have */
	files: Map<string, File>
	/** everything that its place holds, older versions and the manifest as well */
	texts: ReadonlyMap<string, string>
	/** names that somebody else wrote, or took away, after we did */
	tampered: Set<string>
	/** names of which no manifest need tell, because somebody else wrote it */
	unlisted: Set<string>
	/** names that a hold pinned at some time: what a selector brought and a hold kept belongs to neither any more */
	everPinned: Set<string>
	/** a status has told that something was delivered */
	reported: boolean
	/** highest revision of a manifest of ours, and its text */
	revision: number
	manifest: string | undefined
	/** order of the status that says that it is suspended */
	suspendedAt: number | undefined
}

/** @param selected names of files that only selectors bring */
export function watchingOf(
	name: string,
	asked: Asked,
	names: Iterable<string>,
	selected: ReadonlySet<string>,
): Watching {
	const file = (each: string): File => {
		const byStatus = { course: new Course(), version: undefined }
		return { selected: selected.has(each), course: new Course(), text: undefined, written: undefined, byStatus }
	}
	return {
		name,
		asked,
		before: [],
		acknowledged: new Set(),
		agreed: new Set(),
		files: new Map([...names].map((each) => [each, file(each)])),
		texts: new Map(),
		tampered: new Set(),
		unlisted: new Set(),
		everPinned: new Set(),
		reported: false,
		revision: 0,
		manifest: undefined,
		suspendedAt: undefined,
	}
}

/** The binding asks for something else from now on. */
export function edited(watching: Watching, to: Partial<Asked>): void {
	watching.before.push(watching.asked)
	watching.asked = { ...watching.asked, ...to }
	if (watching.asked.hold) watching.everPinned.add(watching.asked.hold.name)
}

/** All that was asked for before may be looked for in this vault by now. */
export function alsoInVault({ before }: Watching, vault: string): void {
	const there = (asked: Asked): Asked => ({
		...asked,
		wishes: new Map([...asked.wishes].map(([name, wish]) => [name, { ...wish, vault }])),
	})
	// Each once: otherwise each edit would double them.
	const keyOf = ({ generation, hold, wishes }: Asked) =>
		JSON.stringify([generation, hold, [...wishes].map(([name, wish]) => [name, wish.vault])])
	const known = new Set(before.map(keyOf))
	for (const asked of before.map(there)) {
		if (known.has(keyOf(asked))) continue
		known.add(keyOf(asked))
		before.push(asked)
	}
}

/** Whether the brake counts the removal of a file that has this target: not when the spec itself does not name it any more. */
export const isBraked = ({ selected }: File, target: Target | undefined) =>
	target?.kind === 'remove' && (selected || target.why !== 'unwanted')

/** What a binding that asks for this wants a file to be. */
export function targetFor(
	{ wishes, policy, hold }: Asked,
	name: string,
	vaults: VaultHistory,
	nowSeconds: number,
): Target {
	const wish = wishes.get(name)
	if (!wish) return { kind: 'remove', why: 'unwanted' }
	const isPinned = hold?.name === name && nowSeconds * 1000 < (hold.until ?? Number.POSITIVE_INFINITY)
	// What is held is delivered whatever the selectors say.
	const rest = isPinned && hold ? { pin: hold.id } : { pin: wish.pin, tag: wish.tag }
	return targetOf(vaults.item(wish.vault, wish.objectName), policy, nowSeconds, rest)
}

/**
 * Follows vault, specs and time.
 *
 * 1. A change of vault or spec: what was wanted before it, then what is wanted after it.
 * 2. Time: at the moments at which a version expires, or its time comes, as well.
 * 3. A poll judges times by when it began and reads what the vault has later: after a change both sides of a moment that
 *    has just passed count. When the wall clock is set, so does for as long the one that it was before.
 * 4. While the operator may still follow an older spec, what that wants counts before what the present one wants.
 */
export class Wishes {
	readonly #vaults: VaultHistory
	readonly #bindings: readonly Watching[]
	readonly #times: Times
	readonly #pollMs: number
	/** up to when time was followed, milliseconds since the epoch */
	#followed: number
	/** by how much the wall clock was set forward, and until when (monotonic) a poll may go by the one before */
	#settings: readonly { ms: number; until: number }[] = []

	/** @param pollMs how long a poll may take */
	constructor(vaults: VaultHistory, bindings: readonly Watching[], times: Times, pollMs: number) {
		this.#vaults = vaults
		this.#bindings = bindings
		this.#times = times
		this.#pollMs = pollMs
		this.#followed = times.now()
	}

	/** Follows time alone. */
	pass(): void {
		const at = this.#times.monotonic()
		this.#want(this.#momentsSince(this.#followed), at)
	}

	/** Vault, specs or the wall clock have changed since `began` (monotonic milliseconds). */
	change(began: number): void {
		const now = this.#times.now()
		const passed = this.#momentsSince(Math.min(this.#followed, now - this.#pollMs))
		const set = this.#clocksBefore(now).flatMap((clock) => [
			...bothSides(this.#turnsBetween(clock - this.#pollMs, clock)),
			clock,
		])
		this.#want([...set, ...bothSides(passed), now], began)
	}

	/** Somebody has set the wall clock so much forward. */
	set(ms: number): void {
		this.#settings = [...this.#settings, { ms, until: this.#times.monotonic() + this.#pollMs }]
	}

	/** What polls of before may take it for, the oldest first. */
	#clocksBefore(now: number): number[] {
		const at = this.#times.monotonic()
		this.#settings = this.#settings.filter(({ until }) => until >= at)
		const clocks: number[] = []
		for (const { ms } of this.#settings.toReversed()) clocks.unshift((clocks[0] ?? now) - ms)
		return clocks
	}

	/** At which the time of a version came or was over. */
	#momentsSince(since: number): number[] {
		const now = this.#times.now()
		this.#followed = now
		return this.#turnsBetween(since, now)
	}

	#turnsBetween(since: number, now: number): number[] {
		if (since >= now) return []
		const turns: number[] = []
		const holds = this.#bindings.flatMap(({ asked, before }) => [asked, ...before].map(({ hold }) => hold?.until))
		for (const until of holds) if (until !== undefined && until > since && until <= now) turns.push(until)
		for (const item of this.#vaults.items()) {
			for (const turn of turnsOf(item)) if (turn > since && turn <= now) turns.push(turn)
		}
		return turns.sort((a, b) => a - b)
	}

	#want(moments: readonly number[], began: number): void {
		if (moments.length === 0) return
		const ended = this.#times.monotonic()
		for (const { files, before, asked } of this.#bindings) {
			for (const [name, { course, byStatus }] of files) {
				for (const moment of moments) {
					for (const each of [...before, asked]) {
						const target = targetFor(each, name, this.#vaults, moment / 1000)
						const wish = each.wishes.get(name)
						const of = wish && `${wish.vault}/${wish.objectName}`
						course.want(target, began, ended, of)
						byStatus.course.want(target, began, ended, of)
					}
				}
			}
		}
	}
}

/** Times of versions are whole seconds, so a millisecond is before the moment and after any other. */
const bothSides = (moments: readonly number[]) => moments.flatMap((moment) => [moment - 1, moment])

/** Milliseconds since the epoch. */
function turnsOf({ versions }: Item): number[] {
	const turns: number[] = []
	for (const { expires, notBefore } of versions) {
		if (expires !== undefined) turns.push(expires * 1000)
		if (notBefore !== undefined) turns.push(notBefore * 1000)
	}
	return turns
}
