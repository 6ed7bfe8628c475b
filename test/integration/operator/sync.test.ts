import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { condition, isTrue, manifest, openStage, type RunningOperator, type Stage, value } from './stage.ts'

describe('a binding of two secrets', () => {
	let stage: Stage
	let operator: RunningOperator
	beforeAll(async () => {
		stage = await openStage({ name: 'sync' })
		operator = await stage.start()
	})
	afterAll(() => stage?.close())

	it('is delivered at first sight, manifest and label included', async () => {
		const { control } = stage.emulator
		const first = await control.setSecret({
			vault: stage.vault,
			name: 'payments-db',
			value: 'Ünïcode "one"',
			contentType: 'text/plain',
		})
		await control.setSecret({ vault: stage.vault, name: 'apiKey', value: '' })
		await stage.apply('payments', {
			secrets: [{ name: 'dbConnectionString', objectName: 'payments-db' }, { name: 'apiKey' }],
		})
		const binding = await stage.wait('payments', 'Ready', (b) => isTrue(b, 'Ready') && isTrue(b, 'Fresh'))
		expect(binding.status).toMatchObject({ synced: '2/2', secretName: 'payments-secrets' })
		expect(condition(binding, 'Reconciling')).toBeUndefined()
		expect(condition(binding, 'Stalled')).toBeUndefined()
		const secret = await stage.secret('payments-secrets')
		expect(value(secret, 'dbConnectionString')).toBe('Ünïcode "one"')
		expect(value(secret, 'apiKey')).toBe('')
		expect(secret?.metadata.labels).toEqual({ 'secrets.purista.dev/binding': 'payments' })
		expect(secret?.metadata.ownerReferences).toMatchObject([{ kind: 'AzureSecretBinding', name: 'payments' }])
		expect(manifest(secret)).toMatchObject({
			schema: 1,
			revision: 1,
			vault: `https://${stage.vault}.vault.azure.net`,
			binding: { namespace: stage.namespace, name: 'payments', uid: binding.metadata.uid },
			secrets: {
				dbConnectionString: {
					objectName: 'payments-db',
					version: first.version,
					state: 'Current',
					contentType: 'text/plain',
				},
			},
		})
	})

	it('follows a rotation, and counts the revision up by one', async () => {
		const { version } = await stage.emulator.control.setSecret({
			vault: stage.vault,
			name: 'payments-db',
			value: 'two',
		})
		const binding = await stage.wait('payments', 'the new version', (b) => b.status?.secrets?.[0]?.version === version)
		expect(isTrue(binding, 'Fresh')).toBe(true)
		const secret = await stage.secret('payments-secrets')
		expect(value(secret, 'dbConnectionString')).toBe('two')
		expect(manifest(secret)).toMatchObject({ revision: 2 })
	})

	it('writes nothing and reads no value while nothing changes', async () => {
		await stage.wait('payments', 'settled', (b) => b.status?.secrets?.every(({ reason }) => reason === undefined))
		const lists = async (since: number) =>
			(await stage.emulator.control.requests({ since })).filter(({ route }) => route === 'listSecrets').length
		const [secret, binding, since] = [
			await stage.secret('payments-secrets'),
			await stage.binding('payments'),
			Date.now(),
		]
		await until('five looks', async () => (await lists(since)) >= 5)
		expect(await stage.secret('payments-secrets')).toEqual(secret)
		expect(await stage.binding('payments')).toEqual(binding)
		const reads = (await stage.emulator.control.requests({ since })).filter(({ route }) => route === 'getSecret')
		expect(reads).toEqual([])
	})

	it('shows no value and no token in logs, status and metrics', async () => {
		const shown = [
			...operator.logs,
			JSON.stringify(await stage.binding('payments')),
			await operator.metrics.text(),
		].join('\n')
		expect(shown).not.toContain('Ünïcode')
		expect(shown).not.toContain(Buffer.from('Ünïcode "one"').toString('base64'))
		expect(shown).not.toMatch(/eyJ[\w-]{10,}\./)
		expect(shown).toContain('payments-secrets')
	})

	it('follows a pin, and delivers the empty value as an empty file', async () => {
		const { control } = stage.emulator
		const pinned = await control.setSecret({ vault: stage.vault, name: 'payments-db', value: 'pinned' })
		const current = await control.setSecret({ vault: stage.vault, name: 'payments-db', value: 'current' })
		await stage.apply('payments', {
			secrets: [
				{ name: 'dbConnectionString', objectName: 'payments-db' },
				{ name: 'old', objectName: 'payments-db', version: pinned.version },
			],
		})
		const binding = await stage.wait(
			'payments',
			'both versions',
			(b) => b.status?.synced === '2/2' && b.status.secrets?.[0]?.version === current.version,
		)
		expect(binding.status?.secrets?.[1]).toMatchObject({ name: 'old', version: pinned.version, state: 'Current' })
		const secret = await stage.secret('payments-secrets')
		expect(value(secret, 'old')).toBe('pinned')
		expect(value(secret, 'dbConnectionString')).toBe('current')
		// Deleted from the spec: removed at once.
		expect(Object.keys(secret?.data ?? {}).toSorted()).toEqual(['.binding.json', 'dbConnectionString', 'old'])
	})

	it('does nothing while suspended, and catches up afterwards', async () => {
		const { control } = stage.emulator
		const spec = { secrets: [{ name: 'dbConnectionString', objectName: 'payments-db' }] }
		await stage.apply('payments', { ...spec, suspend: true })
		const suspended = await stage.wait('payments', 'suspended', (b) => condition(b, 'Fresh')?.reason === 'Suspended')
		expect(condition(suspended, 'Ready')?.status).toBe('True')
		const since = Date.now()
		await control.setSecret({ vault: stage.vault, name: 'payments-db', value: 'while suspended' })
		await stage.annotate('payments', { 'secrets.purista.dev/requested-at': 'now' })
		// Another binding tells that time has passed: it sees a rotation that came later.
		await stage.apply('other', { secrets: [{ name: 'apiKey' }] })
		await stage.wait('other', 'Ready', (b) => isTrue(b, 'Ready'))
		const { version } = await control.setSecret({ vault: stage.vault, name: 'apiKey', value: 'later' })
		await stage.wait('other', 'the rotation', (b) => b.status?.secrets?.[0]?.version === version)
		const reads = (await control.requests({ since })).filter(({ secret }) => secret === 'payments-db')
		expect(reads.filter(({ route }) => route === 'getSecret')).toEqual([])
		await stage.apply('payments', { ...spec, suspend: false })
		await until(
			'the value',
			async () => value(await stage.secret('payments-secrets'), 'dbConnectionString') === 'while suspended',
		)
	})
})
