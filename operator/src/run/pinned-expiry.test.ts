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
