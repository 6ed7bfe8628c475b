import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { isTrue, manifest, openStage, type Stage, value } from './stage.ts'

describe('the Secret', () => {
	let stage: Stage
	let secrets: string
	let count = 0
	/** name of the binding of this test */
	let name: string
	beforeAll(async () => {
		stage = await openStage({ name: 'own' })
		secrets = `/api/v1/namespaces/${stage.namespace}/secrets`
		for (const each of ['a', 'b'])
			await stage.emulator.control.setSecret({ vault: stage.vault, name: each, value: `value of ${each}` })
		await stage.start()
	})
	afterAll(() => stage?.close())
	beforeEach(() => {
		name = `binding-${++count}`
	})
	const deliver = async (spec: Record<string, unknown> = {}) => {
		await stage.apply(name, { secrets: [{ name: 'a' }, { name: 'b' }], ...spec })
		await stage.wait(name, 'Ready', (b) => isTrue(b, 'Ready') && isTrue(b, 'Fresh'))
	}
	const secret = () => stage.secret(`${name}-secrets`)

	it('that was edited gets its value back at the next write, and its deleted key when asked', async () => {
		await deliver()
		await stage.merge(`${secrets}/${name}-secrets`, { stringData: { a: 'edited' } }, { fieldManager: 'somebody' })
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'b', value: 'next b' })
		await until(
			'both values',
			async () => value(await secret(), 'b') === 'next b' && value(await secret(), 'a') === 'value of a',
		)
		await stage.merge(`${secrets}/${name}-secrets`, { data: { a: null } }, { fieldManager: 'somebody' })
		await stage.annotate(name, { 'secrets.purista.dev/requested-at': 'one' })
		await until('the deleted key', async () => value(await secret(), 'a') === 'value of a')
		const { status } = await stage.wait(name, 'the request', (b) => b.status?.lastHandledRequest === 'one')
		expect(status?.synced).toBe('2/2')
	})

	it('that was deleted comes back, with a higher revision', async () => {
		await deliver()
		const before = manifest(await secret()) as { revision: number }
		await stage.api.request({ method: 'DELETE', path: `${secrets}/${name}-secrets` })
		await stage.annotate(name, { 'secrets.purista.dev/requested-at': 'again' })
		await until('the Secret', async () => (await secret()) !== undefined)
		expect((manifest(await secret()) as { revision: number }).revision).toBeGreaterThan(before.revision)
	})

	it('that is edited to the value of the vault is left as it is', async () => {
		await deliver()
		await stage.merge(`${secrets}/${name}-secrets`, { data: { a: null } }, { fieldManager: 'somebody' })
		await stage.merge(`${secrets}/${name}-secrets`, { stringData: { a: 'value of a' } }, { fieldManager: 'somebody' })
		const edited = await secret()
		await stage.annotate(name, { 'secrets.purista.dev/requested-at': 'edited' })
		await stage.wait(name, 'the request', (b) => b.status?.lastHandledRequest === 'edited')
		expect((await secret())?.metadata.resourceVersion).toBe(edited?.metadata.resourceVersion)
	})

	it('has the labels and annotations of the spec, and loses those that the spec drops', async () => {
		const delivery = (labels: Record<string, string>) => ({
			delivery: { secret: { name: `${name}-secrets`, labels, annotations: { note: 'n' } } },
		})
		await deliver(delivery({ team: 'a', tier: 'gold' }))
		expect((await secret())?.metadata.labels).toMatchObject({ team: 'a', tier: 'gold' })
		await stage.merge(
			`${secrets}/${name}-secrets`,
			{ metadata: { labels: { theirs: 'x' } } },
			{ fieldManager: 'somebody' },
		)
		await stage.apply(name, { secrets: [{ name: 'a' }, { name: 'b' }], ...delivery({ team: 'b' }) })
		await until('the new labels', async () => (await secret())?.metadata.labels?.['team'] === 'b')
		expect((await secret())?.metadata.labels).toEqual({ 'secrets.purista.dev/binding': name, team: 'b', theirs: 'x' })
		expect((await secret())?.metadata.annotations).toEqual({ note: 'n' })
	})

	it('under a new name replaces the one under the old', async () => {
		await deliver()
		await stage.apply(name, { secrets: [{ name: 'a' }], delivery: { secret: { name: `${name}-renamed` } } })
		await until('the new Secret', async () => value(await stage.secret(`${name}-renamed`), 'a') === 'value of a')
		await until('the old one to go', async () => (await secret()) === undefined)
		await stage.wait(name, 'the new name in status', (b) => b.status?.secretName === `${name}-renamed`)
	})

	it('goes with its binding under Delete', async () => {
		await deliver()
		await stage.remove(name)
		await until('the Secret to be gone', async () => (await secret()) === undefined)
	})

	it('stays under Retain, and a binding of the same name goes on with it', async () => {
		const delivery = { delivery: { secret: { name: `${name}-secrets`, onDelete: 'Retain' } } }
		await deliver(delivery)
		const before = await secret()
		expect(before?.metadata.ownerReferences).toBeUndefined()
		await stage.remove(name)
		await deliver(delivery)
		const after = await secret()
		expect(after?.metadata.uid).toBe(before?.metadata.uid)
		expect((manifest(after) as { revision: number }).revision).toBe(
			(manifest(before) as { revision: number }).revision + 1,
		)
	})
})
