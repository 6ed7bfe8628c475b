import { describe, expect, test } from 'vitest'
import { systemClock } from './clock.ts'
import { FakeClock } from './testing/fake-clock.ts'

describe('system clock', () => {
	test('a sleep ends at once with the reason of the signal', async () => {
		const stop = new AbortController()
		const slept = systemClock.sleep(60_000, stop.signal)
		stop.abort(new Error('enough'))
		await expect(slept).rejects.toThrow('enough')
		await expect(systemClock.sleep(0, stop.signal)).rejects.toThrow('enough')
	})

	test('an endless sleep does not wake at once although timers have 31 bits', async () => {
		const stop = new AbortController()
		let woke = false
		const slept = systemClock.sleep(Number.POSITIVE_INFINITY, stop.signal).then(
			() => {
				woke = true
			},
			() => {},
		)
		await systemClock.sleep(5)
		stop.abort()
		await slept
		expect(woke).toBe(false)
	})
})

describe('fake clock', () => {
	test('wakes sleepers in the order of their times and shows each its own instant', async () => {
		const clock = new FakeClock(1_000)
		const woken: [string, number][] = []
		const sleeper = async (name: string, ms: number) => {
			await clock.sleep(ms)
			woken.push([name, clock.monotonic()])
		}
		const all = Promise.all([sleeper('late', 30), sleeper('early', 10), sleeper('also early', 10)])
		await clock.advance(20)
		expect(woken).toEqual([
			['early', 10],
			['also early', 10],
		])
		await clock.advance(10)
		await all
		expect(clock.now()).toBe(1_030)
	})

	test('a sleep that follows from another within the same advance is woken too', async () => {
		const clock = new FakeClock()
		let at = 0
		void clock.sleep(10).then(async () => {
			await clock.sleep(10)
			at = clock.monotonic()
		})
		await clock.advance(25)
		expect(at).toBe(20)
	})
})
