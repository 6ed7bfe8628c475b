import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

const INTERVAL_MS = 5_000

test('a poll that lasts longer than the interval is followed by the next one, not by that of the interval after it', async () => {
	const one = openBinding({ secrets: [{ name: 'db' }], refresh: { interval: '5s' } })
	const { clock } = one
	const vault = one.vault('a')
	vault.set('db', 'first')
	const { list } = vault.session
	const asked: number[] = []
	Object.assign(vault.session, {
		nextTick: (interval: number) => (Math.floor(clock.monotonic() / interval) + 1) * interval,
		async list(...given: Parameters<typeof list>) {
			asked.push(clock.monotonic())
			await clock.sleep(INTERVAL_MS + 1_000)
			return list(...given)
		},
	})
	await one.passWithWaits(120_000)
	const gaps = asked.slice(1).map((at, i) => at - (asked[i] ?? at))
	expect(gaps.length).toBeGreaterThan(15)
	// What it lasts, and the step of this test.
	expect(Math.max(...gaps.slice(2))).toBeLessThan(INTERVAL_MS + 1_500)
})
