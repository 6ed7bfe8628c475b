import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../runtime/testing/fake-clock.ts'
import { createBudget, type Place, type Turn } from './budget.ts'
import { createRate } from './rate.ts'
import { createTurns } from './turns.ts'

describe('the rate of one vault', () => {
	it('never lets more through than a full bucket and what flows in, whenever it is asked', () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 50 }),
				fc.array(fc.integer({ min: 0, max: 3_000 })),
				(perSecond, pauses) => {
					const rate = createRate(perSecond, 0)
					const times: number[] = []
					let now = 0
					for (const pause of pauses) {
						now += pause
						while (rate.take(now)) times.push(now)
					}
					for (let from = 0; from < times.length; from += 50)
						for (let to = from; to < times.length; to += 50) {
							const seconds = ((times[to] ?? 0) - (times[from] ?? 0)) / 1000
							expect(to - from + 1).toBeLessThanOrEqual(10 * perSecond + seconds * perSecond + 1)
						}
				},
			),
		)
	})
	it('halves once for the 429s of one burst, waits, and comes back by one a second', () => {
		const rate = createRate(40, 0)
		rate.throttled(1_000, 900, undefined)
		rate.throttled(1_010, 950, undefined)
		expect(rate.perSecond(1_010)).toBe(20)
		expect(rate.blockedMs(1_010)).toBe(1_000)
		expect(rate.take(2_000)).toBe(false)
		rate.throttled(3_000, 2_500, 10_000)
		expect(rate.blockedMs(3_000)).toBe(10_000)
		expect(rate.perSecond(13_000)).toBeCloseTo(10.5, 0)
		expect(rate.perSecond(23_000)).toBeCloseTo(20.5, 0)
		expect(rate.perSecond(60_000)).toBe(40)
	})
	it('says when the next call may go, and then it may', () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 50 }), fc.boolean(), (perSecond, throttled) => {
				const rate = createRate(perSecond, 0)
				while (rate.take(0));
				if (throttled) rate.throttled(0, 0, undefined)
				const wait = rate.waitMs(0)
				expect(rate.take(wait)).toBe(true)
			}),
		)
	})
})

describe('turns', () => {
	it('first syncs before refreshes, and one of each namespace in turn', () => {
		const turns = createTurns<string>()
		for (const item of ['a1', 'a2', 'a3', 'b1']) turns.add('refresh', item[0] ?? '', item)
		turns.add('first', 'c', 'c1')
		turns.remove('refresh', 'a', 'a2')
		expect(Array.from({ length: 4 }, () => turns.shift())).toEqual(['c1', 'a1', 'b1', 'a3'])
		expect(turns.size).toBe(0)
	})
})

describe('the budget of one vault', () => {
	const turn = (rest: Partial<Turn> = {}): Turn => ({
		lane: 'refresh',
		namespace: 'n',
		signal: new AbortController().signal,
		...rest,
	})
	it('has so many calls under way, and goes on when one ends; twice is once', async () => {
		const budget = createBudget({ clock: new FakeClock() })
		const places = await Promise.all(Array.from({ length: 8 }, () => budget.acquire(turn())))
		const waiting: Place[] = []
		for (let i = 0; i < 2; i++) void budget.acquire(turn()).then((place) => waiting.push(place))
		await new Promise(setImmediate)
		expect(waiting).toHaveLength(0)
		places[0]?.release()
		places[0]?.release()
		await new Promise(setImmediate)
		expect(waiting).toHaveLength(1)
	})
	it('whoever gives up waiting takes no place', async () => {
		const budget = createBudget({ clock: new FakeClock() })
		const places = await Promise.all(Array.from({ length: 8 }, () => budget.acquire(turn())))
		const stop = new AbortController()
		const waiting = budget.acquire(turn({ signal: stop.signal }))
		stop.abort(new Error('gave up'))
		await expect(waiting).rejects.toThrow('gave up')
		places[0]?.release()
		await budget.acquire(turn())
	})
	it('sends back whoever would wait long for a vault that wants to be left alone', async () => {
		const clock = new FakeClock()
		const budget = createBudget({ clock })
		const place = await budget.acquire(turn())
		place.throttled(60_000)
		place.release()
		await expect(budget.acquire(turn())).rejects.toMatchObject({ fault: { kind: 'throttled', retryAfterMs: 60_000 } })
		expect(budget.perSecond).toBe(20)
		await clock.advance(61_000)
		await budget.acquire(turn())
	})
	it('after a bare 429 waits a second', async () => {
		const clock = new FakeClock()
		const budget = createBudget({ clock })
		const place = await budget.acquire(turn())
		place.throttled(undefined)
		place.release()
		let granted = false
		void budget.acquire(turn()).then(() => {
			granted = true
		})
		await clock.advance(900)
		expect(granted).toBe(false)
		await clock.advance(1_000)
		expect(granted).toBe(true)
	})
})
