import { expect, test } from 'vitest'
import { KubeError } from '../ports/kube-error.ts'
import { openBinding } from './testing/one-binding.ts'

// A secret counts as absent when the vault said so twice, at least ten seconds apart, and did not have it in between. What it is
// marked as in the manifest is older than that.

/** Its file is kept and marked as absent; from now on what is absent goes. */
async function marked(entry: object = {}) {
	const one = openBinding({
		secrets: [{ name: 'a', ...entry }, { name: 'b' }],
		policy: { absent: 'Keep', disabled: 'Keep' },
		refresh: { interval: '5s' },
	})
	for (const name of ['a', 'b']) one.vault('a').set(name, 'YQ==')
	await one.clock.advance(5_000)
	await one.pass(10_000)
	one.vault('a').remove('a')
	await one.pass(30_000)
	expect(one.shown('a')?.state).toBe('Absent')
	return one
}

type Opened = Awaited<ReturnType<typeof marked>>
const remove = (one: Opened) => one.edit({ policy: { absent: 'Remove', disabled: 'Keep' } })

/** It is not there any more; the next poll is the first that says so. */
async function goes(one: Opened) {
	one.vault('a').remove('a')
	await one.pass(5_000)
	expect(Object.keys(one.files())).toEqual(['a', 'b'])
	await one.pass(20_000)
	expect(Object.keys(one.files())).toEqual(['b'])
}

test.each<[string, (one: Opened) => void]>([
	['a value that cannot be decoded', (one) => one.vault('a').set('a', '*')],
	['a disabled version', (one) => one.vault('a').set('a', 'Yg==', { enabled: false })],
])('a vault that shows it again as %s has it again', async (_, show) => {
	const one = await marked({ decode: 'Base64' })
	show(one)
	await one.pass(10_000)
	remove(one)
	await one.pass(10_000)
	expect(Object.keys(one.files())).toEqual(['a', 'b'])
	await goes(one)
})

test('and had it, also when another secret is written before it is absent for long enough', async () => {
	const one = await marked()
	one.vault('a').set('a', 'YWE=')
	// With the policy, because a poll of another generation comes at once.
	remove(one)
	one.secrets.beforeWrite = () => {
		throw new KubeError('unreachable', 'the API server is away')
	}
	await expect(one.pass(2_500)).rejects.toThrow('away')
	one.secrets.beforeWrite = undefined
	one.vault('a').remove('a')
	one.vault('a').set('b', 'YmI=')
	await one.pass(2_500)
	expect(one.files()).toEqual({ a: 'YQ==', b: 'YmI=' })
	// Asked for, so it is not the time of the next poll that counts.
	one.edit({ policy: { absent: 'Remove', disabled: 'Remove' } })
	await one.pass(2_500)
	expect(Object.keys(one.files())).toEqual(['a', 'b'])
	await one.pass(20_000)
	expect(Object.keys(one.files())).toEqual(['b'])
})

test('a poll that ends early has seen what it came to', async () => {
	const one = openBinding({
		secrets: [{ name: 'a', decode: 'Base64' }, { name: 'b' }],
		policy: { absent: 'Remove' },
		refresh: { interval: '5s' },
	})
	for (const name of ['a', 'b']) one.vault('a').set(name, 'YQ==')
	await one.clock.advance(5_000)
	await one.pass(10_000)
	one.vault('a').remove('a')
	await one.pass(5_000)
	expect(one.shown('a')?.reason).toBe('Unsettled')
	one.vault('a').set('a', '*')
	one.vault('a').set('b', 'YmI=')
	one.vault('a').break('b', { kind: 'unreachable' })
	await one.pass(2_500)
	await one.pass(2_500)
	one.vault('a').break('b', undefined)
	one.vault('a').remove('a')
	await one.pass(7_500)
	expect(Object.keys(one.files())).toEqual(['a', 'b'])
	await one.pass(20_000)
	expect(Object.keys(one.files())).toEqual(['b'])
})
