import type { Lane } from '../../ports/vault.ts'

/**
 * Who is next: first syncs before refreshes, within a lane one of each namespace in turn, within a namespace first come
 * first served. A namespace with a thousand secrets delays another one by one call, not by a thousand.
 */
export interface Turns<T> {
	add(lane: Lane, namespace: string, item: T): void
	/** Whoever gave up. */
	remove(lane: Lane, namespace: string, item: T): void
	shift(): T | undefined
	/** all, in no particular order */
	items(): Iterable<T>
	readonly size: number
}

export function createTurns<T>(): Turns<T> {
	// By namespace in the order of their turns; a Map and a Set keep the order of insertion.
	const lanes: Record<Lane, Map<string, Set<T>>> = { first: new Map(), refresh: new Map() }
	let size = 0
	const shiftOf = (lane: Map<string, Set<T>>): T | undefined => {
		for (const [namespace, items] of lane) {
			lane.delete(namespace)
			for (const item of items) {
				items.delete(item)
				if (items.size > 0) lane.set(namespace, items)
				size--
				return item
			}
		}
		return undefined
	}
	return {
		add(lane, namespace, item) {
			const items = lanes[lane].get(namespace) ?? new Set()
			lanes[lane].set(namespace, items.add(item))
			size++
		},
		remove(lane, namespace, item) {
			const items = lanes[lane].get(namespace)
			if (!items?.delete(item)) return
			size--
			if (items.size === 0) lanes[lane].delete(namespace)
		},
		shift: () => shiftOf(lanes.first) ?? shiftOf(lanes.refresh),
		*items() {
			for (const lane of Object.values(lanes)) for (const items of lane.values()) yield* items
		},
		get size() {
			return size
		},
	}
}
