import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

// A vault may take a minute for what a pass asks it, and what came of the binding meanwhile nobody has told the pass.

test.each([
	['is deleted', (one: ReturnType<typeof openBinding>) => one.delete()],
	['is suspended', (one: ReturnType<typeof openBinding>) => one.edit({ suspend: true })],
])('a binding that %s while its vault is read: no Secret is made of what was read', async (_, change) => {
	const one = openBinding({ secrets: [{ name: 'db' }] })
	one.vault('a').set('db', 'first')
	one.vault('a').onRead = () => change(one)
	await one.clock.advance(5_000)
	await one.reconcile()
	expect(one.secrets.writes).toBe(0)
	expect(one.secrets.text('mine')).toBeUndefined()
})

test('one that is suspended meanwhile changes nothing in its Secret, and goes on when it is not any more', async () => {
	const one = openBinding({ secrets: [{ name: 'db' }] })
	one.vault('a').set('db', 'first')
	await one.clock.advance(5_000)
	await one.reconcile()
	one.vault('a').set('db', 'second')
	one.vault('a').onRead = () => one.edit({ suspend: true })
	await one.pass(120_000)
	expect(one.files()).toEqual({ db: 'first' })
	expect(one.condition('Fresh')).toMatchObject({ reason: 'Suspended' })
	one.vault('a').onRead = () => {}
	one.edit({ suspend: false })
	await one.pass(120_000)
	expect(one.files()).toEqual({ db: 'second' })
})

test('one that is made anew meanwhile is delivered by a pass of its own', async () => {
	const one = openBinding({ secrets: [{ name: 'db' }] })
	one.vault('a').set('db', 'first')
	one.vault('a').onRead = () => {
		one.vault('a').onRead = () => {}
		one.recreate()
	}
	await one.clock.advance(5_000)
	await one.reconcile()
	expect(one.files()).toEqual({ db: 'first' })
	expect(one.vault('a').reads).toEqual(['db', 'db'])
})

test.each<[string, (one: ReturnType<typeof openBinding>) => void, Record<string, string> | undefined]>([
	['is suspended', (one) => one.edit({ suspend: true }), { db: 'first' }],
	['is renamed back', (one) => one.edit({ delivery: { secret: { name: 'mine' } } }), { db: 'second' }],
	['stays as it is', () => {}, undefined],
])(
	'the Secret of before stays when a binding that was renamed %s while its vault is read',
	async (_, change, stays) => {
		const one = openBinding({ secrets: [{ name: 'db' }] })
		one.vault('a').set('db', 'first')
		await one.clock.advance(5_000)
		await one.reconcile()
		const removed: string[] = []
		const { remove } = one.secrets
		one.secrets.remove = async (namespace, name, ...rest) => {
			removed.push(name)
			await remove(namespace, name, ...rest)
		}
		// The write is done by then, and the removal is not.
		one.edit({ delivery: { secret: { name: 'other' } } })
		one.vault('a').set('db', 'second')
		const { create } = one.secrets
		one.secrets.create = async (namespace, body) => {
			const answer = await create(namespace, body)
			change(one)
			return answer
		}
		await one.reconcile()
		await one.pass(120_000)
		expect(removed.includes('mine')).toBe(stays === undefined)
		expect(stays && one.files()).toEqual(stays)
	},
)

test('a Secret of another name is not made when the binding is renamed back while its vault is read', async () => {
	const one = openBinding({ secrets: [{ name: 'db' }] })
	one.vault('a').set('db', 'first')
	await one.clock.advance(5_000)
	await one.reconcile()
	one.edit({ delivery: { secret: { name: 'other' } } })
	one.vault('a').onRead = () => {
		one.vault('a').onRead = () => {}
		one.edit({ delivery: { secret: { name: 'mine' } } })
	}
	await one.reconcile()
	await one.pass(120_000)
	expect(one.secrets.text('other')).toBeUndefined()
	expect(one.files()).toEqual({ db: 'first' })
})
