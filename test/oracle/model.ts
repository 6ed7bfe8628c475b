// What the files of a binding should be, told from the history of the vault and the rules of the policies alone. It knows
// nothing of how the operator comes there: no IO, no clock, nothing of the operator's own.

export interface Policy {
	absent: 'Keep' | 'Remove'
	deselected: 'Keep' | 'Remove'
	disabled: 'Keep' | 'Remove' | 'Previous'
	expired: 'Keep' | 'Remove' | 'Previous'
	notYetValid: 'Keep' | 'Remove' | 'Previous'
}

export const KEEP: Policy = {
	absent: 'Keep',
	deselected: 'Keep',
	disabled: 'Keep',
	expired: 'Keep',
	notYetValid: 'Keep',
}

/** A version of a secret in the vault. Times are whole seconds since 1970. */
export interface Version {
	id: string
	value: string
	/** when it was made, where that matters */
	created?: number
	enabled: boolean
	notBefore?: number
	expires?: number
}

/** A secret of the vault. */
export interface Item {
	/** oldest first; the last one is the current one, disabled or not */
	versions: Version[]
	deleted: boolean
	tags: Record<string, string>
}

/** Why something is not simply the current version. */
export type Why = 'absent' | 'versionAbsent' | 'deselected' | 'disabled' | 'expired' | 'notYetValid' | 'unwanted'

/** What should become of a file, as long as the vault and the spec are as they are. */
export type Target =
	/** these bytes; `why` when they are not the current version's */
	| { kind: 'version'; id: string; why?: Why }
	/** whatever is there stays */
	| { kind: 'keep'; why: Why }
	| { kind: 'remove'; why: Why }

type Flaw = 'disabled' | 'expired' | 'notYetValid'

function flawOf({ enabled, expires, notBefore }: Version, now: number): Flaw | undefined {
	if (!enabled) return 'disabled'
	if (expires !== undefined && expires <= now) return 'expired'
	return notBefore !== undefined && notBefore > now ? 'notYetValid' : undefined
}

/** Which version of which secret a text is the value of, or a part of the value. */
export interface Origin {
	vault: string
	objectName: string
	id: string
}

/** What the oracle may know of the vaults. */
export interface VaultHistory {
	item(vault: string, objectName: string): Item | undefined
	items(): Iterable<Item>
	/** of every value that was ever set, and of its parts */
	origin(text: string): Origin | undefined
}

/** Both clocks of the operator, milliseconds. */
export interface Times {
	/** since the epoch; may jump */
	now(): number
	monotonic(): number
}

/** What a file is to be of, besides the secret itself. */
export interface Wish {
	/** what a selector asks for; undefined: the spec names the secret */
	tag?: readonly [string, string] | undefined
	/** a version that the spec, or the annotation hold, pins */
	pin?: string | undefined
}

/**
 * The rules of the policies for one file.
 *
 * @param now seconds since 1970
 */
export function targetOf(item: Item | undefined, policy: Policy, now: number, { tag, pin }: Wish = {}): Target {
	if (!item || item.deleted) return { kind: policy.absent === 'Remove' ? 'remove' : 'keep', why: 'absent' }
	const current = item.versions.findLast(({ id }) => pin === undefined || id === pin)
	// The secret is there and has no such version: that is a wrong pin, and takes nothing away.
	if (!current) return { kind: 'keep', why: 'versionAbsent' }
	if (tag && item.tags[tag[0]] !== tag[1]) {
		return { kind: policy.deselected === 'Remove' ? 'remove' : 'keep', why: 'deselected' }
	}
	const why = flawOf(current, now)
	if (!why) return { kind: 'version', id: current.id }
	if (policy[why] === 'Remove') return { kind: 'remove', why }
	// A pin asks for that version and no other.
	if (policy[why] === 'Previous' && pin === undefined) {
		const older = item.versions.slice(0, -1).findLast((each) => flawOf(each, now) === undefined)
		if (older) return { kind: 'version', id: older.id, why }
	}
	// The vault refuses a disabled version; times are only words in Key Vault, and what is delivered goes on being so.
	return why === 'disabled' ? { kind: 'keep', why } : { kind: 'version', id: current.id }
}

/** Ids of the older versions that are kept beside one, newest first: the enabled ones, whatever their times. */
export function previousOf({ versions }: Item, id: string, count: number): string[] {
	const at = versions.findIndex((each) => each.id === id)
	const older = versions.slice(0, Math.max(at, 0)).filter(({ enabled }) => enabled)
	return older
		.reverse()
		.slice(0, count)
		.map((each) => each.id)
}

interface Span {
	target: Target
	of: string
	/** monotonic milliseconds; `to` is infinite for the last one */
	from: number
	to: number
	/** since when what stands in `why` is so: policies may have changed meanwhile */
	since: number
}

/**
 * The targets of one file in the order of time, and how far its Secret has come along them. Seen bytes may lag behind, but
 * they never go back: not to a version that was wanted before the one that was seen last, unless it was wanted again after.
 */
export class Course {
	#spans: Span[] = []
	#position = 0

	get target(): Target | undefined {
		return this.#spans.at(-1)?.target
	}

	/** What asked for what was seen last. */
	get seen(): Target | undefined {
		return this.#spans[this.#position]?.target
	}

	/** Whether anything that was wanted since then, or is now, is like this. */
	isWantedSince(is: (target: Target) => boolean): boolean {
		return this.#spans.slice(this.#position).some(({ target }) => is(target))
	}

	/**
	 * This is wanted from now on: since some moment between the two, by which what was wanted before had ended.
	 *
	 * @param of the secret that it is about: another one has been absent for as long as it was itself
	 */
	want(target: Target, began: number, ended = began, of = ''): void {
		const last = this.#spans.at(-1)
		if (last && same(last.target, target) && last.of === of) return
		if (last) last.to = ended
		// What older specs asked for comes in between at the same change; a secret that was absent before it has been all along.
		const before = this.#spans.findLast(({ from }) => from < began)
		const lasting = [last, before].find((span) => span !== undefined && span.of === of && isCause(span.target, target))
		this.#spans.push({ target, of, from: began, to: Number.POSITIVE_INFINITY, since: lasting?.since ?? began })
	}

	/** Bytes of this version were seen. @returns whether they may be there */
	see(id: string): boolean {
		return this.#advance(({ target }) => target.kind === 'version' && target.id === id)
	}

	/**
	 * The file went. @returns whether a policy, or a change of the spec, asked for that
	 * @param absentMs how long a secret must have been absent before it counts as that
	 */
	seeRemoved(at: number, absentMs: number): boolean {
		return this.#advance(({ target, to }, i) => {
			if (target.kind !== 'remove') return false
			return target.why !== 'absent' || Math.min(to, at) - this.#absentSince(i, absentMs) >= absentMs
		})
	}

	/** Two looks so far apart find it absent. That it was there for less than that in between nobody has seen. */
	#absentSince(index: number, absentMs: number): number {
		const { of, since: own = 0 } = this.#spans[index] ?? {}
		const earlier = this.#spans.slice(0, index).filter(({ target, of: each }) => target.why === 'absent' && each === of)
		return earlier.reduceRight((since, span) => (since - span.to < absentMs ? Math.min(since, span.since) : since), own)
	}

	#advance(is: (span: Span, index: number) => boolean): boolean {
		const index = this.#spans.findIndex((span, i) => i >= this.#position && is(span, i))
		if (index < 0) return false
		this.#position = index
		return true
	}
}

const isCause = (a: Target, b: Target) => a.why !== undefined && a.why === b.why

const same = (a: Target, b: Target) =>
	a.kind === b.kind && a.why === b.why && (a.kind !== 'version' || b.kind !== 'version' || a.id === b.id)
