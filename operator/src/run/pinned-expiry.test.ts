import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

/** How often the vault was listed. */
function countLists(one: ReturnType<typeof openBinding>) {
	const count = { lists: 0 }
	const { session } = one.vault('a')
	const { list } = session
	session.list = async (...given) => {
		count.lists++
		return list(...given)
	}
	return count
}

test('when the time of a disabled version comes it is polled for once, and not again and again', async () => {
	const one = openBinding({ secrets: [{ name: 'a' }], policy: { expired: 'Remove' }, refresh: { interval: '1h' } })
	const expires = Math.floor(one.clock.now() / 1000) + 600
	one.vault('a').set('a', 'first')
	await one.clock.advance(5_000)
	await one.reconcile()
	one.vault('a').set('a', 'second', { enabled: false, expires })
	one.restart()
	await one.pass(30_000)
	expect(one.files()).toEqual({ a: 'first' })
	const count = countLists(one)
	await one.pass(900_000)
	expect(count.lists).toBe(1)
})

test('nor is all polled after each poll of what is not settled', async () => {
	const spec = { secrets: [{ name: 'a' }, { name: 'b' }], policy: { expired: 'Remove' }, refresh: { interval: '10m' } }
	const one = openBinding(spec)
	const { clock } = one
	const vault = one.vault('a')
	Object.assign(vault.session, {
		nextTick: (interval: number) => (Math.floor(clock.monotonic() / interval) + 1) * interval,
	})
	const expires = Math.floor(clock.now() / 1000) + 900
	for (const name of ['a', 'b']) vault.set(name, 'first')
	await clock.advance(5_000)
	await one.passWithWaits(1_000)
	vault.set('a', 'second', { enabled: false, expires })
	await one.passWithWaits(1_000_000)
	expect(clock.monotonic()).toBe(1_200_000)
	vault.set('b', 'second')
	const count = countLists(one)
	await one.passWithWaits(10_000)
	expect(one.files()).toMatchObject({ b: 'second' })
	expect([count.lists, vault.reads.slice(-2)]).toEqual([1, ['b', 'b']])
})

test('a pinned version is taken away when it expires, by one poll', async () => {
	const version = '1'.padStart(32, '0')
	const one = openBinding({
		secrets: [{ name: 'a', version }, { name: 'b' }],
		policy: { expired: 'Remove' },
		refresh: { interval: '1h' },
	})
	const count = countLists(one)
	one.vault('a').set('a', 'first', { version, expires: Math.floor(one.clock.now() / 1000) + 600 })
	one.vault('a').set('b', 'other')
	await one.clock.advance(5_000)
	await one.pass(30_000)
	expect(Object.keys(one.files())).toEqual(['a', 'b'])
	const before = one.vault('a').reads.length
	count.lists = 0
	await one.pass(620_000)
	expect(Object.keys(one.files())).toEqual(['b'])
	expect([count.lists, one.vault('a').reads.length - before]).toEqual([1, 1])
})
