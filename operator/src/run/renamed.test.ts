import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

const named = (name: string) => ({ delivery: { secret: { name } } })

/** Its Secret has another name now, under which one of two values is missing. */
async function renamedOnce() {
	const one = openBinding({ secrets: [{ name: 'a' }, { name: 'b' }] })
	for (const name of ['a', 'b']) one.vault('a').set(name, name)
	await one.clock.advance(5_000)
	await one.pass(10_000)
	one.vault('a').break('b', { kind: 'forbiddenRbac' })
	one.edit(named('two'))
	await one.pass(10_000)
	expect(['mine', 'two'].map((name) => Object.keys(one.secrets.text(name) ?? {}).length)).toEqual([3, 2])
	return one
}

test.each([
	['to a third name', ['three']],
	['to a third and a fourth one', ['three', 'four']],
	['back', ['mine']],
])('a Secret that is renamed again %s before it is complete: none of the others stays', async (_, names) => {
	const one = await renamedOnce()
	for (const name of names) {
		one.edit(named(name))
		await one.pass(10_000)
	}
	// Until then pods may live on the one of before.
	expect(one.secrets.text('mine')).toMatchObject({ a: 'a', b: 'b' })
	one.vault('a').break('b', undefined)
	await one.pass(400_000)
	const present = names.at(-1) ?? ''
	expect(one.secrets.text(present)).toMatchObject({ a: 'a', b: 'b' })
	const all = ['mine', 'two', 'three', 'four'].filter((name) => one.secrets.text(name))
	expect(all).toEqual([present])
	expect(one.status.secretName).toBe(present)
})

test('the one of the rename before goes as well when the binding is delivered into volumes meanwhile', async () => {
	const one = await renamedOnce()
	one.edit({ delivery: { type: 'Volume' } })
	one.vault('a').break('b', undefined)
	await one.pass(400_000)
	expect(['mine', 'two'].filter((name) => one.secrets.text(name))).toEqual([])
})
