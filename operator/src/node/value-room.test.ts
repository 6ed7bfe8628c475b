import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FakeClock, settle } from '../process/testing/fake-clock.ts'
import { createValueRoom } from './value-room.ts'

interface Pass {
	readonly name: string
	readonly bytes: number
	end(): void
}

function open(limit: number, forSmall = { small: 0, ofSmall: 0 }) {
	const clock = new FakeClock()
	const room = createValueRoom(clock, limit, forSmall)
	const under: Pass[] = []
	/** `a1`: of the namespace `a` */
	const begin = async (name: string, bytes: number, { isWaitedFor = false, signal = never } = {}) => {
		const reader = { namespace: name[0] ?? '', binding: name, isWaitedFor }
		void room.take(reader, bytes, signal).then(
			(release) => {
				const pass: Pass = {
					name,
					bytes,
					end() {
						under.splice(under.indexOf(pass), 1)
						release()
						release()
					},
				}
				under.push(pass)
			},
			() => {},
		)
		await settle()
	}
	const end = async (name: string) => {
		under.find((each) => each.name === name)?.end()
		await settle()
	}
	return { clock, room, begin, end, under, names: () => under.map(({ name }) => name) }
}
const never = new AbortController().signal

it('passes of a namespace have no more together than they leave to others, and one alone may have all', async () => {
	const { begin, end, names, room } = open(100)
	for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) await begin(name, 25)
	expect(names()).toEqual(['a1', 'a2', 'b1', 'c1'])
	expect([room.bytes, room.waiting]).toEqual([100, 2])
	for (const name of ['a1', 'a2', 'b1', 'c1']) await end(name)
	expect(names().toSorted()).toEqual(['a3', 'b2'])
	for (const name of ['a3', 'b2']) await end(name)
	await begin('a4', 1_000)
	expect([names(), room.bytes]).toEqual([['a4'], 100])
	await end('a4')
	expect(room.bytes).toBe(0)
})

it('of a namespace pods that wait for their first files go first', async () => {
	const { begin, end, names } = open(10)
	await begin('a1', 10)
	await begin('a2', 10)
	await begin('a3', 10, { isWaitedFor: true })
	await end('a1')
	expect(names()).toEqual(['a3'])
})

it('a large one that waits for others is passed by small ones for five seconds and no longer', async () => {
	const { clock, begin, end, names } = open(100)
	await begin('a1', 50)
	await begin('b1', 60)
	await begin('c1', 10)
	expect(names()).toEqual(['a1', 'c1'])
	await clock.advance(6_000)
	await begin('d1', 10)
	await end('c1')
	expect(names()).toEqual(['a1'])
	await end('a1')
	expect(names()).toEqual(['b1', 'd1'])
})

it('who gives up leaves nothing, and lets those behind it go', async () => {
	const { clock, begin, names, room } = open(100)
	const stop = new AbortController()
	await begin('a1', 50)
	await begin('b1', 60, { signal: stop.signal })
	await clock.advance(6_000)
	await begin('c1', 10)
	expect(names()).toEqual(['a1'])
	stop.abort(new Error('the pod is gone'))
	await settle()
	expect(names()).toEqual(['a1', 'c1'])
	expect(room.waiting).toBe(0)
	expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
	await expect(room.take({ namespace: 'b', binding: 'b', isWaitedFor: false }, 1, stop.signal)).rejects.toThrow('gone')
})

it('whatever comes and ends, in whatever order, they never have more than there is, and each goes once', async () => {
	const step = fc.record({
		namespace: fc.constantFrom('a', 'b', 'c', 'd'),
		bytes: fc.integer({ min: 0, max: 130 }),
		ends: fc.integer({ min: 0, max: 3 }),
		ms: fc.integer({ min: 0, max: 4_000 }),
	})
	await fc.assert(
		fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
			const { clock, begin, end, under, room } = open(100)
			const went = new Set<string>()
			const check = () => {
				for (const { name } of under) went.add(name)
				const sum = under.reduce((all, { bytes }) => all + Math.min(bytes, 100), 0)
				expect(room.bytes).toBe(sum)
				expect(sum).toBeLessThanOrEqual(100)
			}
			for (const [i, { namespace, bytes, ends, ms }] of steps.entries()) {
				await begin(`${namespace}${i}`, bytes)
				check()
				await clock.advance(ms)
				if (ends === 0 && under[0]) await end(under[0].name)
				check()
			}
			while (under[0]) {
				await end(under[0].name)
				check()
			}
			expect([went.size, room.waiting, room.bytes]).toEqual([steps.length, 0, 0])
		}),
		{ numRuns: 200 },
	)
})

it('who needs little waits for nobody who needs much, however many of those have slow vaults', async () => {
	const { clock, room, begin, end, names } = open(100, { small: 5, ofSmall: 10 })
	for (const name of ['a1', 'b1', 'c1', 'd1']) await begin(name, 40)
	expect(names()).toEqual(['a1', 'b1'])
	await clock.advance(6_000)
	// By now the third has waited for so long that others wait for it.
	for (const name of ['v1', 'v2', 'v3', 'w1', 'w2', 'm1']) await begin(name, name === 'm1' ? 6 : 5)
	// A namespace has no more of that than it leaves to others either.
	expect(names()).toEqual(['a1', 'b1', 'v1', 'w1'])
	expect([room.bytes, room.waiting]).toEqual([90, 6])
	await end('v1')
	expect(names()).toEqual(['a1', 'b1', 'w1', 'v2'])
	for (const name of ['a1', 'b1', 'c1', 'd1', 'v2', 'w1', 'v3', 'w2', 'm1']) await end(name)
	expect([names(), room.bytes, room.waiting]).toEqual([[], 0, 0])
})
