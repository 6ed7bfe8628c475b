import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

test.each([5, 60])(
	'secrets that are gone together are counted together, though the vault says so one after the other (interval %s s)',
	async (seconds) => {
		const one = openBinding({
			secrets: NAMES.map((name) => ({ name })),
			policy: { absent: 'Remove', maxRemovals: 2 },
			refresh: { interval: `${seconds}s` },
		})
		const { clock } = one
		const vault = one.vault('a')
		for (const name of NAMES) vault.set(name, `value of ${name}`)
		const { read } = vault.session
		Object.assign(vault.session, {
			nextTick: (interval: number) => (Math.floor(clock.monotonic() / interval) + 1) * interval,
			async read(...given: Parameters<typeof read>) {
				await clock.sleep(700 * NAMES.indexOf(given[0]))
				return read(...given)
			},
		})
		await one.passWithWaits(30_000)
		for (const name of NAMES.slice(0, 7)) vault.remove(name)
		await one.passWithWaits(180_000)
		expect(Object.keys(one.files())).toEqual(NAMES)
		expect(one.condition('Fresh')).toMatchObject({ status: 'False', reason: 'RemovalsHeld' })
	},
)

test('secrets that go one after the other, closer together than absence takes to be sure, are counted together', async () => {
	const one = openBinding({
		secrets: NAMES.map((name) => ({ name })),
		policy: { absent: 'Remove', maxRemovals: 2 },
		refresh: { interval: '5s' },
	})
	for (const name of NAMES) one.vault('a').set(name, `value of ${name}`)
	await one.pass(30_000)
	for (const name of NAMES.slice(0, 7)) {
		one.vault('a').remove(name)
		await one.pass(5_000)
	}
	await one.pass(30_000)
	expect(Object.keys(one.files())).toEqual(NAMES)
	expect(one.condition('Fresh')).toMatchObject({ status: 'False', reason: 'RemovalsHeld' })
	// One of a few that goes for itself goes.
	for (const name of NAMES.slice(0, 7)) one.vault('a').set(name, `value of ${name}`)
	await one.pass(30_000)
	one.vault('a').remove('c')
	await one.pass(30_000)
	expect(Object.keys(one.files())).toEqual(NAMES.filter((name) => name !== 'c'))
})
