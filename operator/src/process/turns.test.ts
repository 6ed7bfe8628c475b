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

it('whoever may not go keeps its turn', () => {
	const turns = createTurns<string>()
	turns.add(place('a', false, 'hangs'), 'a1')
	turns.add(place('a', false, 'works'), 'a2')
	turns.add(place('b', false, 'works'), 'b1')
	const works = ({ subgroup }: Place) => subgroup === 'works'
	expect([turns.shift(works), turns.shift(works), turns.shift(works)]).toEqual(['a2', 'b1', undefined])
	expect([turns.size, turns.shift()]).toEqual([1, 'a1'])
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
				expect(new Set(turns.items())).toEqual(new Set(waiting))
			}
		}),
	)
})
