import { expect, it, vi } from 'vitest'
import { KubeError } from '../ports/kube-error.ts'
import { openBinding } from './testing/one-binding.ts'

const open = (names: readonly string[], delivery = { secret: { name: 'mine' } }) => {
	const one = openBinding({ secrets: ['a', 'b'].map((name) => ({ name })), delivery })
	for (const name of names) one.vault('a').set(name, `value of ${name}`)
	const reads = one.vault('a').reads
	return { one, reads, readBack: vi.spyOn(one.secrets, 'readBack') }
}

it('no Secret is created that may not be read: a Role that names Secrets cannot name those that may be created', async () => {
	const { one, readBack } = open(['a', 'b'])
	readBack.mockRejectedValue(new KubeError('forbidden', 'get secrets: cannot get resource "secrets"'))
	await one.reconcile()
	expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretWriteRefused' })
	expect(one.secrets.text('mine')).toBeUndefined()
	expect(one.secrets.writes).toBe(0)
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

it('when the answer to the creation is lost, the next pass goes on with what was created', async () => {
	const { one } = open(['a', 'b'])
	one.secrets.lose.add('create')
	await one.reconcile()
	expect(one.files()).toEqual({ a: 'value of a', b: 'value of b' })
	expect(one.condition('Ready')?.status).toBe('True')
	expect(one.secrets.writes).toBe(1)
})
