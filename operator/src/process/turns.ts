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
 * Who is next: one of each group in turn; of a group all that are `first` before the others; among those one of each subgroup
 * in turn; in a subgroup first come first served. A group with a thousand items delays another one by one item, not by a
 * thousand, whatever it puts first.
 *
 * The bound: between the time from which `mayGo` lets a group's next item go and the time at which it goes, each other group
 * goes once at most.
 */
export interface Turns<T> {
	add(place: Place, item: T): void
	/** Whoever gave up. False when it was not there. */
	remove(place: Place, item: T): boolean
	/** The next one that may go; those that may not keep their turn. */
	shift(mayGo?: (place: Place) => boolean): T | undefined
	/** all, in no particular order */
	items(): Iterable<T>
	readonly size: number
}

// A Map and a Set keep the order of insertion, which is the order of turns.
type Lane<T> = Map<string, Set<T>>
interface Group<T> {
	readonly first: Lane<T>
	readonly others: Lane<T>
}

const always = () => true

export function createTurns<T>(): Turns<T> {
	const groups = new Map<string, Group<T>>()
	let size = 0
	const laneOf = (group: Group<T>, first: boolean) => (first ? group.first : group.others)

	const takeFrom = (group: string, of: Group<T>, mayGo: (place: Place) => boolean): T | undefined => {
		for (const first of [true, false]) {
			const lane = laneOf(of, first)
			for (const [subgroup, items] of lane) {
				if (!mayGo({ group, subgroup, first })) continue
				lane.delete(subgroup)
				for (const item of items) {
					items.delete(item)
					if (items.size > 0) lane.set(subgroup, items)
					return item
				}
			}
		}
		return undefined
	}
	return {
		add({ group, subgroup, first }, item) {
			const of = groups.get(group) ?? { first: new Map(), others: new Map() }
			groups.set(group, of)
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
			if (of.first.size + of.others.size === 0) groups.delete(group)
			return true
		},
		shift(mayGo = always) {
			for (const [group, of] of groups) {
				const item = takeFrom(group, of, mayGo)
				if (item === undefined) continue
				size--
				groups.delete(group)
				if (of.first.size + of.others.size > 0) groups.set(group, of)
				return item
			}
			return undefined
		},
		*items() {
			for (const { first, others } of groups.values())
				for (const lane of [first, others]) for (const items of lane.values()) yield* items
		},
		get size() {
			return size
		},
	}
}
