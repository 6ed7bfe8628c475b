/** Where an item waits. */
export interface Place {
	/** who takes turns with others: a namespace */
	readonly group: string
	/** what takes turns within a group: a vault */
	readonly subgroup: string
	/** goes before all items of its group that are not */
	readonly first: boolean
}

/**
 * Who is next: the group that will have used least when its item is done, which is expected to take what those before took; of
 * equals one of each in turn. Of a group all that are `first` go before the others; among those one of each subgroup in turn; in a
 * subgroup first come first served. A group with a thousand items delays another one by one item, not by a thousand, whatever it
 * puts first; and a hundred groups whose items take long delay one that needs little by the item that is under way, not by one
 * item of each.
 *
 * What a new group's item will take nobody knows, so a crowd of new ones would go before a group that is known to need little. That one
 * goes after one of them, when it will have used less than the first item of a new group takes.
 *
 * The bound: between the time from which `mayGo` lets a group's next item go and the time at which it goes, each other group
 * goes once at most where nothing is told as used; else it uses no more than its dearest item and what it had used less.
 *
 * (Known of networks as fair queueing by virtual time; that of the item under way is by Goyal, Vin and Cheng, 1996.) Nobody saves up by not coming: a group that
 * comes, or may go again, counts as having used as much as the one that went last.
 */
export interface Turns<T> {
	add(place: Place, item: T): void
	/** Whoever gave up. False when it was not there. */
	remove(place: Place, item: T): boolean
	/** The next one that may go; those that may not keep their turn. @param mayGo is asked of the next item of a subgroup */
	shift(mayGo?: MayGo<T>): T | undefined
	/** What an item of the group took of that for which groups take turns, in milliseconds. */
	used(group: string, ms: number): void
	readonly size: number
	/** groups that have nothing here and of which something is remembered */
	readonly remembered: number
}

type MayGo<T> = (place: Place, item: T) => boolean

// A Map and a Set keep the order of insertion, which is the order of turns.
type Lane<T> = Map<string, Set<T>>
interface Use {
	/** milliseconds, on a scale on which the group that went last stands at `floor` */
	readonly used: number
	/** what its items took, the last one counting most; undefined: none is done */
	readonly expected: number | undefined
}
interface Group<T> {
	readonly first: Lane<T>
	readonly others: Lane<T>
	use: Use
}

const always = () => true

// How far behind what a group used can put it, so that a pass that hung for a minute does not keep it behind a crowd for many.
// Twice the shortest interval of a binding.
const LATELY_MS = 10_000

const NOTHING: Use = { used: 0, expected: undefined }
const atEnd = ({ use: { used, expected = 0 } }: Group<unknown>) => used + expected
const isNew = ({ use }: Group<unknown>) => use.expected === undefined

export function createTurns<T>(): Turns<T> {
	const groups = new Map<string, Group<T>>()
	/** of groups that have nothing here now: what they have used; those that did so longest ago first */
	const gone = new Map<string, Use>()
	/** what the group that went last had used */
	let floor = 0
	let size = 0
	/** the group that went last was new, and what first items of new ones took */
	let wasNew = false
	let firstTakes = 0
	const laneOf = (group: Group<T>, first: boolean) => (first ? group.first : group.others)

	const leave = (group: string, use: Use) => {
		groups.delete(group)
		gone.delete(group)
		// Like one that never came: names of namespaces would pile up where nothing is told as used.
		if (use.used <= floor && (use.expected ?? 0) === 0) return
		gone.set(group, use)
		// One that has used nothing for so long counts as new.
		for (const [each, { used }] of gone) {
			if (used + LATELY_MS > floor) break
			gone.delete(each)
		}
	}
	const takeFrom = (group: string, of: Group<T>, mayGo: MayGo<T>): T | undefined => {
		for (const first of [true, false]) {
			const lane = laneOf(of, first)
			for (const [subgroup, items] of lane) {
				for (const item of items) {
					if (!mayGo({ group, subgroup, first }, item)) break
					lane.delete(subgroup)
					items.delete(item)
					if (items.size > 0) lane.set(subgroup, items)
					return item
				}
			}
		}
		return undefined
	}
	const take = (group: string, of: Group<T>, mayGo: MayGo<T>): T | undefined => {
		const item = takeFrom(group, of, mayGo)
		if (item === undefined) return undefined
		size--
		of.use = sinceFloor(of.use)
		wasNew = isNew(of)
		floor = of.use.used
		groups.delete(group)
		if (of.first.size + of.others.size > 0) groups.set(group, of)
		else leave(group, of.use)
		return item
	}
	const sinceFloor = (use: Use): Use => (use.used < floor ? { ...use, used: floor } : use)
	const least = (): [string, Group<T>] | undefined => {
		let next: [string, Group<T>] | undefined
		let known: [string, Group<T>] | undefined
		for (const each of groups) {
			if (!next || atEnd(each[1]) < atEnd(next[1])) next = each
			if (!isNew(each[1]) && (!known || atEnd(each[1]) < atEnd(known[1]))) known = each
		}
		const isBefore = next && known && isNew(next[1]) && wasNew && atEnd(known[1]) < atEnd(next[1]) + firstTakes
		return isBefore ? known : next
	}
	return {
		add({ group, subgroup, first }, item) {
			let of = groups.get(group)
			if (!of) {
				of = { first: new Map(), others: new Map(), use: sinceFloor(gone.get(group) ?? NOTHING) }
				groups.set(group, of)
				gone.delete(group)
			}
			const lane = laneOf(of, first)
			lane.set(subgroup, (lane.get(subgroup) ?? new Set<T>()).add(item))
			size++
		},
		remove({ group, subgroup, first }, item) {
			const of = groups.get(group)
			if (!of) return false
			const lane = laneOf(of, first)
			const items = lane.get(subgroup)
			if (!items?.delete(item)) return false
			size--
			if (items.size === 0) lane.delete(subgroup)
			if (of.first.size + of.others.size === 0) leave(group, of.use)
			return true
		},
		shift(mayGo = always) {
			const next = least()
			const item = next && take(...next, mayGo)
			if (item !== undefined || !next) return item
			// Whoever has used least may not go. The order among equals is that of their turns.
			for (const [group, of] of [...groups].sort(([, a], [, b]) => atEnd(a) - atEnd(b))) {
				const other = of === next[1] ? undefined : take(group, of, mayGo)
				if (other !== undefined) return other
			}
			return undefined
		},
		used(group, ms) {
			const of = groups.get(group)
			const before = of?.use ?? gone.get(group) ?? sinceFloor(NOTHING)
			const cost = Math.min(ms, LATELY_MS)
			const used = Math.min(before.used + cost, floor + LATELY_MS)
			if (before.expected === undefined) firstTakes = (firstTakes + cost) / 2
			const use = { used, expected: ((before.expected ?? 0) + cost) / 2 }
			if (of) of.use = use
			else leave(group, use)
		},
		get remembered() {
			return gone.size
		},
		get size() {
			return size
		},
	}
}
