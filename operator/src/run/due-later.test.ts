import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

test('a secret that was answered later than another one is read again when it is due, and not at the next whole poll', async () => {
	const one = openBinding({ secrets: [{ name: 'a' }, { name: 'b' }], refresh: { interval: '1h' } })
	const { clock } = one
	const vault = one.vault('a')
	const { read } = vault.session
	Object.assign(vault.session, {
		nextTick: (interval: number) => (Math.floor(clock.monotonic() / interval) + 1) * interval,
		async read(...given: Parameters<typeof read>) {
			const [name] = given
			if (name === 'b') await clock.sleep(1_000)
			return { ...(await read(...given)), answeredAt: clock.monotonic() }
		},
	})
	await clock.advance(5_300)
	vault.set('a', 'first')
	await clock.advance(500)
	vault.set('b', 'first')
	await one.passWithWaits(1_000)
	expect(vault.reads).toEqual(['a', 'b'])
	await one.passWithWaits(6_000)
	expect(vault.reads).toEqual(['a', 'b', 'a', 'b'])
	expect(one.status.secrets?.map(({ reason }) => reason)).toEqual([undefined, undefined])
})
