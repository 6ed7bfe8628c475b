import { expect, test } from 'vitest'
import { createBackoff, exponential } from './backoff.ts'
import { FakeClock } from './testing/fake-clock.ts'

const limits = { minMs: 800, maxMs: 30_000, resetAfterMs: 120_000 }

test('doubles from the minimum to the maximum, however often it fails', () => {
	const backoff = createBackoff({ clock: new FakeClock(), random: () => 0, ...limits })
	const delays = Array.from({ length: 8 }, () => backoff.next())
	expect(delays).toEqual([800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000])
	expect(exponential(5, 300_000, 1e6)).toBe(300_000)
})

test('jitter makes a wait longer by up to half, never shorter', () => {
	const low = createBackoff({ clock: new FakeClock(), random: () => 0, ...limits })
	const high = createBackoff({ clock: new FakeClock(), random: () => 0.999, ...limits })
	expect(low.next()).toBe(800)
	expect(high.next()).toBeCloseTo(1_199.6)
})

test('starts anew after a healthy spell, which begins when the wait is over', async () => {
	const clock = new FakeClock()
	const backoff = createBackoff({ clock, random: () => 0, ...limits })
	backoff.next()
	expect(backoff.next()).toBe(1_600)
	await clock.advance(1_600 + 120_000)
	expect(backoff.next()).toBe(3_200)
	await clock.advance(3_200 + 120_001)
	expect(backoff.next()).toBe(800)
})
