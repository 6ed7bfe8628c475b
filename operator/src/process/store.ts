import { isDeepStrictEqual } from 'node:util'

/** The events of a watch, as far as a store cares. */
export type StoreEvent<T> = { kind: 'synced'; items: T[] } | { kind: 'applied'; item: T } | { kind: 'deleted'; item: T }

export interface Store<T> {
	/** false until the first `synced`: before it, "not here" means nothing */
	readonly synced: boolean
	readonly size: number
	get(key: string): T | undefined
	keys(): string[]
	values(): T[]
	/** Items for which index `name` returned `value`, in no particular order. Throws for an index that was not declared. */
	by(name: string, value: string): T[]
	/**
	 * Takes over one event and returns the keys that it added, changed or removed. `synced` replaces everything in one step:
	 * no reader ever sees half a list. Items equal to what is here are not reported.
	 *
	 * @param scope which items the list of a `synced` is about, when several watches share the store; default: all
	 */
	apply(event: StoreEvent<T>, scope?: (item: T) => boolean): string[]
}

export interface StoreOptions<T> {
	key: (item: T) => string
	/** what is kept of an item; default: all */
	keep?: (item: T) => T
	/** index name → all values under which an item is to be found */
	indexes?: Record<string, (item: T) => readonly string[]>
	/** what counts as unchanged; default: deep equality */
	same?: (a: T, b: T) => boolean
}

interface Content<T> {
	items: Map<string, T>
	/** index name → value → keys */
	indexes: Map<string, Map<string, Set<string>>>
}

/** A local copy of a collection, kept by a watch. Items are shared, not copied: nobody may change them. */
export function createStore<T>({
	key,
	keep = (item) => item,
	indexes = {},
	same = isDeepStrictEqual,
}: StoreOptions<T>): Store<T> {
	const empty = (): Content<T> => ({
		items: new Map(),
		indexes: new Map(Object.keys(indexes).map((name) => [name, new Map<string, Set<string>>()])),
	})
	let content = empty()
	let synced = false

	const remove = (at: Content<T>, id: string) => {
		const old = at.items.get(id)
		if (old === undefined) return
		at.items.delete(id)
		for (const [name, valuesOf] of Object.entries(indexes)) {
			const index = at.indexes.get(name)
			for (const value of valuesOf(old)) {
				const keys = index?.get(value)
				keys?.delete(id)
				// An index must not remember every value that ever was.
				if (keys?.size === 0) index?.delete(value)
			}
		}
	}
	const put = (at: Content<T>, id: string, item: T) => {
		remove(at, id)
		at.items.set(id, item)
		for (const [name, valuesOf] of Object.entries(indexes)) {
			const index = at.indexes.get(name)
			for (const value of valuesOf(item)) {
				const keys = index?.get(value) ?? new Set()
				keys.add(id)
				index?.set(value, keys)
			}
		}
	}
	const isSame = (old: T | undefined, item: T) => old !== undefined && same(old, item)

	return {
		get synced() {
			return synced
		},
		get size() {
			return content.items.size
		},
		get: (id) => content.items.get(id),
		keys: () => [...content.items.keys()],
		values: () => [...content.items.values()],
		by(name, value) {
			const index = content.indexes.get(name)
			if (!index) throw new Error(`the store has no index ${name}`)
			return [...(index.get(value) ?? [])].flatMap((id) => content.items.get(id) ?? [])
		},
		apply(event, scope = () => true) {
			switch (event.kind) {
				case 'synced': {
					const next = empty()
					for (const [id, item] of content.items) if (!scope(item)) put(next, id, item)
					for (const item of event.items) put(next, key(item), keep(item))
					const changed = [...next.items].filter(([id, item]) => !isSame(content.items.get(id), item)).map(([id]) => id)
					const gone = [...content.items.keys()].filter((id) => !next.items.has(id))
					content = next
					synced = true
					return [...changed, ...gone]
				}
				case 'applied': {
					const id = key(event.item)
					const item = keep(event.item)
					const unchanged = isSame(content.items.get(id), item)
					put(content, id, item)
					return unchanged ? [] : [id]
				}
				case 'deleted': {
					const id = key(event.item)
					const known = content.items.has(id)
					remove(content, id)
					return known ? [id] : []
				}
			}
		},
	}
}
