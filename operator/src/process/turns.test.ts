import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createTurns, type Place } from './turns.ts'

const place = (group: string, first = false, subgroup = ''): Place => ({ group, subgroup, first })
const drain = <T>(turns: ReturnType<typeof createTurns<T>>) => {
	const all: T[] = []
	for (let item = turns.shift(); item !== undefined; item = turns.shift()) all.push(item)
	return all
}

it('one of each group in turn; in a group first ones first; among them one of each subgroup in turn', () => {
	const turns = createTurns<string>()
	turns.add(place('a', false, 'v'), 'a1')
	turns.add(place('a', false, 'v'), 'a2')
	turns.add(place('a', false, 'w'), 'a3')
	turns.add(place('a', true, 'v'), 'a-new')
	turns.add(place('b'), 'b1')
	turns.add(place('b'), 'b2')
	expect(drain(turns)).toEqual(['a-new', 'b1', 'a1', 'b2', 'a3', 'a2'])
})

it('of groups that used nothing nothing is remembered when they are gone', () => {
	const turns = createTurns<number>()
	for (let i = 0; i < 1_000; i++) {
		turns.add(place(`namespace-${i}`), i)
		expect(turns.shift()).toBe(i)
	}
	expect(turns.remembered).toBe(0)
	turns.used('dear', 5)
	expect(turns.remembered).toBe(1)
})

it('whoever may not go keeps its turn', () => {
	const turns = createTurns<string>()
	turns.add(place('a', false, 'hangs'), 'a1')
	turns.add(place('a', false, 'works'), 'a2')
	turns.add(place('b', false, 'works'), 'b1')
	const works = ({ subgroup }: Place) => subgroup === 'works'
	expect([turns.shift(works), turns.shift(works), turns.shift(works)]).toEqual(['a2', 'b1', undefined])
	expect([turns.size, turns.shift()]).toEqual([1, 'a1'])
})

interface Priced {
	readonly group: string
}
const addTo = (turns: ReturnType<typeof createTurns<Priced>>, group: string, times: number) => {
	for (let i = 0; i < times; i++) turns.add(place(group), { group })
}
/** Takes what is there, each item costing what those of its group cost; who went, in order. */
const order = (turns: ReturnType<typeof createTurns<Priced>>, cost: Record<string, number>) => {
	const all: string[] = []
	for (let next = turns.shift(); next !== undefined; next = turns.shift()) {
		all.push(next.group)
		turns.used(next.group, cost[next.group] ?? 0)
	}
	return all.join(' ')
}

it('who has used least is next, so each comes to the same share', () => {
	const turns = createTurns<Priced>()
	addTo(turns, 'dear', 3)
	addTo(turns, 'cheap', 5)
	expect(order(turns, { dear: 30, cheap: 10 })).toBe('dear cheap cheap cheap cheap dear cheap dear')
})

it('nobody saves up: who was away, or could not go, has one turn more than others and not many', () => {
	const turns = createTurns<Priced>()
	addTo(turns, 'barred', 2)
	addTo(turns, 'a', 7)
	for (let i = 0; i < 5; i++) turns.used(turns.shift(({ group }) => group !== 'barred')?.group ?? '', 100)
	addTo(turns, 'new', 2)
	expect(order(turns, { a: 100, barred: 100, new: 100 })).toBe('barred new barred new a a')
})

it('a group that is known to need little does not wait for a crowd of new ones, and lets each second turn to them', () => {
	const turns = createTurns<Priced>()
	const cost: Record<string, number> = { poll: 5 }
	for (let i = 0; i < 4; i++) {
		addTo(turns, 'poll', 1)
		order(turns, cost)
	}
	const crowd = Array.from({ length: 300 }, (_, i) => `new-${i}`)
	for (const group of crowd) cost[group] = 70
	for (const group of crowd) addTo(turns, group, 1)
	addTo(turns, 'poll', 3)
	const went = order(turns, cost).split(' ')
	expect(went.indexOf('poll')).toBe(1)
	expect(went.slice(0, 6).filter((group) => group === 'poll').length).toBeLessThanOrEqual(3)
	expect(went).toHaveLength(303)
	// Who has used much has no such right.
	addTo(turns, 'new-0', 1)
	addTo(turns, 'newest', 1)
	expect(order(turns, cost)).toBe('newest new-0')
})

it('what was used counts when a group is away meanwhile, up to ten seconds', () => {
	const turns = createTurns<Priced>()
	addTo(turns, 'hung', 1)
	turns.used(turns.shift()?.group ?? '', 60_000)
	addTo(turns, 'a', 30)
	addTo(turns, 'hung', 1)
	// Ten for what was used, and those that are done before the next one of such a length would be.
	expect(order(turns, { a: 1_000 }).split(' ').indexOf('hung')).toBe(15)
})

it('property: while two groups wait, neither uses more than the other and two of the dearest items', () => {
	const costs = fc.record({ a: fc.integer({ min: 1, max: 99 }), b: fc.integer({ min: 1, max: 99 }) })
	fc.assert(
		fc.property(fc.array(costs, { minLength: 40, maxLength: 40 }), fc.nat(20), (items, before) => {
			const turns = createTurns<Priced>()
			const used: Record<string, number> = { a: 0, b: 0 }
			for (const group of ['a', 'b']) addTo(turns, group, items.length)
			// One of them could not go for a while.
			for (let i = 0; i < before; i++) turns.used(turns.shift(({ group }) => group === 'a')?.group ?? '', 50)
			for (const each of items.slice(before)) {
				const group = turns.shift()?.group as 'a' | 'b'
				turns.used(group, each[group])
				used[group] = (used[group] ?? 0) + each[group]
				expect(Math.abs((used['a'] ?? 0) - (used['b'] ?? 0))).toBeLessThanOrEqual(3 * 99)
			}
		}),
	)
})

interface Item extends Place {
	readonly id: number
}

const entry = fc.record({
	group: fc.constantFrom('a', 'b', 'c'),
	subgroup: fc.constantFrom('v', 'w'),
	first: fc.boolean(),
})
const command = fc.oneof(
	entry,
	// Subgroups that may go.
	fc.record({ may: fc.subarray(['v', 'w']) }),
	fc.record({ remove: fc.nat({ max: 30 }) }),
)

it('property: nothing is lost, orders are kept, and a group that may go is passed by each other group once at most', () => {
	fc.assert(
		fc.property(fc.array(command, { maxLength: 150 }), (commands) => {
			const turns = createTurns<Item>()
			let waiting: Item[] = []
			const passed = new Map<string, Map<string, number>>()
			for (const [id, c] of commands.entries()) {
				if ('remove' in c) {
					const gone = waiting[c.remove % Math.max(waiting.length, 1)]
					expect(gone === undefined || turns.remove(gone, gone)).toBe(true)
					waiting = waiting.filter((each) => each !== gone)
					if (gone && !waiting.some(({ group }) => group === gone.group)) passed.delete(gone.group)
				} else if ('may' in c) {
					const mayGo = ({ subgroup }: Place) => c.may.includes(subgroup)
					const next = turns.shift(mayGo)
					const able = waiting.filter(mayGo)
					expect(next === undefined).toBe(able.length === 0)
					if (!next) continue
					expect(able).toContain(next)
					const ofGroup = able.filter(({ group }) => group === next.group)
					if (!next.first) expect(ofGroup.some(({ first }) => first)).toBe(false)
					for (const each of ofGroup)
						if (each.subgroup === next.subgroup && each.first === next.first)
							expect(each.id).toBeGreaterThanOrEqual(next.id)
					waiting = waiting.filter((each) => each !== next)
					passed.delete(next.group)
					for (const group of new Set(waiting.map((each) => each.group))) {
						// Counted while it might have gone instead.
						if (group === next.group || !waiting.some((each) => each.group === group && mayGo(each))) continue
						const counts = passed.get(group) ?? new Map<string, number>()
						passed.set(group, counts.set(next.group, (counts.get(next.group) ?? 0) + 1))
						expect(counts.get(next.group)).toBeLessThanOrEqual(1)
					}
				} else {
					const item = { ...c, id }
					waiting.push(item)
					turns.add(item, item)
				}
				expect(turns.size).toBe(waiting.length)
			}
		}),
	)
})
