import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

// Of a vault that many wait for, a call may wait two minutes for its turn, and a pass has many calls.

const NAMES = Array.from({ length: 40 }, (_, i) => `s${i}`)

/** A binding of forty secrets whose pass waits for the budget of its vault. */
async function openWaiting() {
	const one = openBinding({ secrets: NAMES.map((name) => ({ name })) })
	const { clock } = one
	for (const name of NAMES) for (const vault of ['a', 'b']) one.vault(vault).set(name, `of ${vault}`)
	const { session } = one.vault('a')
	const { read } = session
	let asked = 0
	Object.assign(session, {
		async read(...given: Parameters<typeof read>) {
			const [, , { signal, waits }] = given
			waits?.(true)
			asked++
			await clock.sleep(100_000, signal)
			waits?.(false)
			return read(...given)
		},
	})
	await clock.advance(5_000)
	const pass = one.reconcile()
	while (asked === 0) await setImmediate()
	return { one, pass, reads: () => one.vault('a').reads.length, asked: () => asked }
}

test('who turns to another vault does not wait for the one that is busy', async () => {
	const { one, pass, reads } = await openWaiting()
	one.edit({ vault: { url: 'https://b.vault.azure.net' } })
	one.showAgain()
	await pass
	expect(reads()).toBe(0)
	expect(one.files()).toEqual(Object.fromEntries(NAMES.map((name) => [name, 'of b'])))
})

const endings: [string, (one: Awaited<ReturnType<typeof openWaiting>>['one']) => void][] = [
	['is deleted', (one) => one.delete()],
	['is suspended', (one) => one.edit({ suspend: true })],
]

test.each(endings)('for one that %s the vault is asked nothing more', async (_, change) => {
	const { one, pass, reads } = await openWaiting()
	change(one)
	one.showAgain()
	await pass
	expect([reads(), one.secrets.writes]).toEqual([0, 0])
})

test.each(endings)('nor for one that %s after it was edited', async (_, change) => {
	const { one, pass, reads, asked } = await openWaiting()
	const before = asked()
	one.edit({ refresh: { interval: '61s' } })
	one.showAgain()
	while (asked() === before) await setImmediate()
	change(one)
	one.showAgain()
	let done = false
	const ended = pass.then(() => {
		done = true
	})
	while (!done) await (one.clock.sleeping > 0 ? one.clock.advance(10_000) : setImmediate())
	await ended
	expect([reads(), one.secrets.writes]).toEqual([0, 0])
})

test.each([
	['a status that is written meanwhile ends nothing', 0],
	['who edits it again and again has every second pass go to its end', Number.POSITIVE_INFINITY],
])('%s', async (_, edits) => {
	const { one, pass, reads } = await openWaiting()
	let done = false
	const ended = pass.then(() => {
		done = true
	})
	one.showAgain()
	for (let i = 0; !done; i++) {
		if (i > 0 && i <= edits) {
			one.edit({ refresh: { interval: `${60 + i}s` } })
			one.showAgain()
		}
		await (one.clock.sleeping > 0 ? one.clock.advance(10_000) : setImmediate())
	}
	await ended
	expect(reads()).toBe(NAMES.length)
	expect(one.files()).toEqual(Object.fromEntries(NAMES.map((name) => [name, 'of a'])))
})
