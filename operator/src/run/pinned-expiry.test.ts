import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

test('a pinned version is taken away when it expires, by one poll', async () => {
	const version = '1'.padStart(32, '0')
	const one = openBinding({
		secrets: [{ name: 'a', version }, { name: 'b' }],
		policy: { expired: 'Remove' },
		refresh: { interval: '1h' },
	})
	const { session } = one.vault('a')
	let lists = 0
	const { list } = session
	session.list = async (...given) => {
		lists++
		return list(...given)
	}
	one.vault('a').set('a', 'first', { version, expires: Math.floor(one.clock.now() / 1000) + 600 })
	one.vault('a').set('b', 'other')
	await one.clock.advance(5_000)
	await one.pass(30_000)
	expect(Object.keys(one.files())).toEqual(['a', 'b'])
	const before = one.vault('a').reads.length
	lists = 0
	await one.pass(620_000)
	expect(Object.keys(one.files())).toEqual(['b'])
	expect([lists, one.vault('a').reads.length - before]).toEqual([1, 1])
})
