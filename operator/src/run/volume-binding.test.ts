import { describe, expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

// What the operator does for a binding whose values nodes deliver: it tells, and reads no value.

const VOLUME = { delivery: { type: 'Volume' } }
const version = (count: number) => String(count).padStart(32, '0')
const open = async (spec: Record<string, unknown>) => {
	const one = openBinding({ ...VOLUME, ...spec })
	for (const name of ['db', 'api', 'other']) one.vault('a').set(name, `value of ${name}`, { tags: { team: 'x' } })
	await one.clock.advance(5_000)
	return one
}
type One = Awaited<ReturnType<typeof open>>
const isWithoutValues = (one: One) => {
	expect(one.vault('a').reads).toEqual([])
	expect(JSON.stringify(one.status)).not.toContain('value of')
	expect(one.files()).toEqual({})
}

describe('a binding that is delivered by Volume', () => {
	test('is told of by lists alone, with times instead of versions', async () => {
		const one = await open({ secrets: [{ name: 'db' }, { name: 'api' }] })
		await one.reconcile()
		expect(one.status.secrets).toMatchObject([{ name: 'db', objectName: 'db', state: 'Current' }, { name: 'api' }])
		expect(one.shown('db')?.updated).toBeDefined()
		expect(one.shown('db')).not.toHaveProperty('version')
		expect(one.status).toMatchObject({ synced: '2/2', vault: 'https://a.vault.azure.net' })
		expect(one.status).not.toHaveProperty('secretName')
		expect(one.condition('Ready')).toMatchObject({ status: 'True', reason: 'Available' })
		expect(one.condition('Fresh')).toMatchObject({ status: 'True', reason: 'Current' })
		isWithoutValues(one)
	})

	test('shows a rotation by its time, at the interval, and a time of looking that nodes can go by', async () => {
		const one = await open({ secrets: [{ name: 'db' }] })
		await one.reconcile()
		const before = one.shown('db')?.updated
		one.vault('a').set('db', 'value of a rotation')
		await one.pass(65_000)
		expect(one.shown('db')?.updated).not.toBe(before)
		const polled = one.status.lastCheckTime
		await one.pass(130_000)
		expect(one.status.lastCheckTime).not.toBe(polled)
		isWithoutValues(one)
	})

	test.each([
		['that list the vault', false],
		['that may not list more than a page, so versions are listed', true],
	])('follows selectors, pins and older versions by lists: polls %s', async (_, isLong) => {
		const one = await open({
			secrets: [
				{ name: 'db', previous: 1 },
				{ name: 'pin', objectName: 'api', version: version(1) },
			],
		})
		if (isLong) Object.assign(one.vault('a').session, { list: async () => ({ complete: false, pages: 1 }) })
		one.vault('a').set('db', 'value of the second')
		one.vault('a').set('api', 'value of the second')
		await one.clock.advance(5_000)
		await one.reconcile()
		expect(one.shown('db')).toMatchObject({ state: 'Current', previous: [version(1)] })
		expect(one.shown('pin')).toMatchObject({ state: 'Current', version: version(1) })
		isWithoutValues(one)
	})

	test('shows what selectors bring, and after a restart what left', async () => {
		const one = await open({ secrets: [], select: [{ tags: { team: 'x' } }], policy: { deselected: 'Keep' } })
		await one.reconcile()
		expect(one.status.secrets?.map(({ name }) => name)).toEqual(['api', 'db', 'other'])
		one.restart()
		one.vault('a').set('db', 'value of y', { tags: { team: 'y' } })
		await one.pass(70_000)
		expect(one.shown('db')?.state).toBe('Deselected')
		expect(one.shown('db')?.updated).toBeDefined()
		isWithoutValues(one)
	})

	test('calls absent what lists leave out for ten seconds, and holds removals that are too many', async () => {
		const names = ['db', 'api', 'other']
		const secrets = names.map((name) => ({ name }))
		const one = await open({ secrets, policy: { absent: 'Remove', maxRemovals: 1 } })
		await one.reconcile()
		one.vault('a').remove('db')
		await one.pass(90_000)
		expect(one.shown('db')).toMatchObject({ state: 'Absent', reason: 'SecretAbsent' })
		expect(one.shown('db')).not.toHaveProperty('updated')
		one.vault('a').remove('api')
		one.vault('a').remove('other')
		await one.pass(90_000)
		for (const name of ['api', 'other']) {
			expect(one.shown(name)?.reason).toBe('RemovalsHeld')
			expect(one.shown(name)?.updated).toBeDefined()
		}
		expect(one.condition('Fresh')).toMatchObject({ status: 'False', reason: 'RemovalsHeld' })
		isWithoutValues(one)
	})

	test('says where lists are denied that nodes ask by themselves, and nothing of what they find', async () => {
		const one = await open({ secrets: [{ name: 'db' }] })
		one.vault('a').break('*', { kind: 'forbiddenRbac' })
		await one.reconcile()
		expect(one.condition('Ready')).toMatchObject({ status: 'Unknown', reason: 'ForbiddenByRbac' })
		expect(one.condition('Fresh')?.message).toContain('each node asks')
		expect(one.condition('Fresh')?.message).toContain('az role assignment create')
		expect(one.condition('Stalled')).toBeUndefined()
	})

	test.each([
		['Delete', {}],
		['Retain', { db: 'value of db' }],
	])('that was delivered by Secret before handles it as its onDelete said: %s', async (onDelete, left) => {
		const one = await open({ secrets: [{ name: 'db' }], delivery: { secret: { name: 'mine', onDelete } } })
		await one.reconcile()
		expect(one.files()).toEqual({ db: 'value of db' })
		one.edit(VOLUME)
		await one.reconcile()
		expect(one.files()).toEqual(left)
		expect(one.status).not.toHaveProperty('secretName')
		expect(one.shown('db')).not.toHaveProperty('version')
		one.edit({ delivery: { secret: { name: 'mine', onDelete } } })
		await one.reconcile()
		expect(one.files()).toEqual({ db: 'value of db' })
		expect(one.shown('db')).toHaveProperty('version', version(1))
	})
})
