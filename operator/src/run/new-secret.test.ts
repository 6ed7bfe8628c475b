import { expect, it, vi } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

const open = (names: readonly string[], delivery = { secret: { name: 'mine' } }) => {
	const one = openBinding({ secrets: ['a', 'b'].map((name) => ({ name })), delivery })
	for (const name of names) one.vault('a').set(name, `value of ${name}`)
	const reads = one.vault('a').reads
	return { one, reads, readBack: vi.spyOn(one.secrets, 'readBack') }
}

it('a new binding creates its Secret without having read what is not there', async () => {
	const { one, readBack } = open(['a', 'b'])
	await one.reconcile()
	expect(one.files()).toEqual({ a: 'value of a', b: 'value of b' })
	expect(one.condition('Ready')?.status).toBe('True')
	expect(readBack).not.toHaveBeenCalled()
})

it('a binding with a status reads its Secret first, also when there is none', async () => {
	const { one, readBack } = open(['a', 'b'])
	await one.reconcile()
	await one.secrets.remove('ns', 'mine', '', '')
	one.restart()
	await one.reconcile()
	expect(readBack).toHaveBeenCalled()
	expect(one.files()).toEqual({ a: 'value of a', b: 'value of b' })
})

it('the Secret of somebody else is not touched, and the binding says whose it is in its first status', async () => {
	const { one } = open(['a', 'b'])
	one.secrets.edit('mine', 'theirs', 'x')
	const { writes } = one.secrets
	await one.reconcile()
	expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretNotOurs' })
	expect(one.secrets.text('mine')).toEqual({ theirs: 'x' })
	expect(one.secrets.writes).toBe(writes)
})

it.each([
	['whose secrets the vault still has', ['a', 'b']],
	['of whose secrets the vault has lost some', ['a']],
	['of whose secrets the vault has lost all', []],
])('a Secret that was restored without a status, %s, is gone on with', async (_, left) => {
	const { one } = open(['a', 'b'])
	await one.reconcile()
	await one.pass(180_000)
	const { writes } = one.secrets
	const manifest = one.manifest()
	for (const name of ['a', 'b']) if (!left.includes(name)) one.vault('a').remove(name)
	one.forgetStatus()
	one.restart()
	await one.reconcile()
	expect(one.files()).toEqual({ a: 'value of a', b: 'value of b' })
	expect(one.condition('Ready')?.status).toBe('True')
	expect(one.manifest().revision).toBeGreaterThanOrEqual(manifest.revision)
	if (left.length === 2) expect(one.secrets.writes).toBe(writes)
})

it('when the answer to the creation is lost, the same pass goes on with what it has created', async () => {
	const { one } = open(['a', 'b'])
	one.secrets.lose.add('create')
	await one.reconcile()
	expect(one.files()).toEqual({ a: 'value of a', b: 'value of b' })
	expect(one.condition('Ready')?.status).toBe('True')
	expect(one.secrets.writes).toBe(1)
})

it('what cannot be created yet is read back once, and the vault is asked once', async () => {
	const { one, reads, readBack } = open([], { secret: { name: 'mine' } })
	await one.reconcile()
	expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretAbsent' })
	expect(readBack).toHaveBeenCalledTimes(1)
	expect(reads).toEqual(['a', 'b'])
})
