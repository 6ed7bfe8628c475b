import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createStore, type StoreEvent } from './store.ts'

interface Item {
	name: string
	vaults: string[]
}

const create = () => createStore<Item>({ key: (item) => item.name, indexes: { vault: (item) => item.vaults } })

test('a sync replaces everything at once and names the keys that differ', () => {
	const store = create()
	expect(store.synced).toBe(false)
	expect(store.apply({ kind: 'synced', items: [item('a', 'x'), item('b', 'x')] })).toEqual(['a', 'b'])
	expect(store.synced).toBe(true)
	const changed = store.apply({ kind: 'synced', items: [item('a', 'x'), item('c', 'y')] })
	expect(changed.sort()).toEqual(['b', 'c'])
	expect(store.keys().sort()).toEqual(['a', 'c'])
	expect(store.by('vault', 'x').map(({ name }) => name)).toEqual(['a'])
})

test('an item equal to the one known is no change, and a deletion of an unknown one neither', () => {
	const store = create()
	expect(store.apply({ kind: 'applied', item: item('a', 'x') })).toEqual(['a'])
	expect(store.apply({ kind: 'applied', item: item('a', 'x') })).toEqual([])
	expect(store.apply({ kind: 'applied', item: item('a', 'y') })).toEqual(['a'])
	expect(store.apply({ kind: 'deleted', item: item('b') })).toEqual([])
	expect(store.apply({ kind: 'deleted', item: item('a') })).toEqual(['a'])
	expect(store.by('vault', 'y')).toEqual([])
})

test('asking for an index that does not exist is an error, not an empty answer', () => {
	expect(() => create().by('vualt', 'x')).toThrow('vualt')
})

test('a list of one scope leaves the others alone', () => {
	const store = create()
	const isOf = (vault: string) => (of: Item) => of.vaults.includes(vault)
	expect(store.apply({ kind: 'synced', items: [item('a', 'x'), item('b', 'x')] }, isOf('x'))).toEqual(['a', 'b'])
	expect(store.apply({ kind: 'synced', items: [item('c', 'y')] }, isOf('y'))).toEqual(['c'])
	expect(store.apply({ kind: 'synced', items: [item('b', 'x')] }, isOf('x'))).toEqual(['a'])
	expect(sorted(store.values())).toEqual([item('b', 'x'), item('c', 'y')])
	expect(store.by('vault', 'x')).toEqual([item('b', 'x')])
	expect(store.by('vault', 'y')).toEqual([item('c', 'y')])
})

const anyItem: fc.Arbitrary<Item> = fc.record({
	name: fc.constantFrom('a', 'b', 'c', '__proto__'),
	vaults: fc.subarray(['x', 'y', 'constructor']),
})
const anyEvent: fc.Arbitrary<StoreEvent<Item>> = fc.oneof(
	fc.record({ kind: fc.constantFrom('applied' as const, 'deleted' as const), item: anyItem }),
	fc.record({ kind: fc.constant('synced' as const), items: fc.uniqueArray(anyItem, { selector: ({ name }) => name }) }),
)

test('whatever the events, content and indexes are those of a plain list', () => {
	fc.assert(
		fc.property(fc.array(anyEvent, { maxLength: 30 }), (events) => {
			const store = create()
			let model: Item[] = []
			for (const event of events) {
				store.apply(event)
				if (event.kind === 'synced') model = event.items
				else model = model.filter(({ name }) => name !== event.item.name)
				if (event.kind === 'applied') model = [...model, event.item]
				expect(sorted(store.values())).toEqual(sorted(model))
				for (const vault of ['x', 'y', 'constructor']) {
					expect(sorted(store.by('vault', vault))).toEqual(sorted(model.filter(({ vaults }) => vaults.includes(vault))))
				}
			}
		}),
	)
})

function item(name: string, ...vaults: string[]): Item {
	return { name, vaults }
}

function sorted(items: Item[]): Item[] {
	return items.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
