import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, condition, decoded, getSecret, sha256, waitForBinding, waitReady } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { createTenant, SECRETS_OFFICER, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('a binding and a PURISTA service that mounts it', () => {
	let world: World
	let tenant: Tenant
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'rotation', vault: 'rotation', role: SECRETS_OFFICER })
	})
	afterAll(() => tenant?.remove())

	it('a pod that waits for its Secret starts once the binding is applied, and the service has the secret', async () => {
		await world.startService(tenant)
		const value = world.canary('rotation-first')
		await world.control.setSecret({ vault: 'rotation', name: 'payments-db', value })
		await applyBinding(world, tenant, { secrets: [{ name: 'dbConnectionString', objectName: 'payments-db' }] })
		const binding = await waitReady(world, tenant)
		expect(binding.status).toMatchObject({ synced: '1/1', secretName: 'payments-secrets' })
		expect(condition(binding, 'Fresh')).toMatchObject({ status: 'True' })

		await kubectl(world.target, ['-n', tenant.namespace, 'rollout', 'status', 'deployment/payments', '--timeout=180s'])
		const { files, manifest } = await world.mountedFiles(tenant)
		expect(files).toEqual({ dbConnectionString: { sha256: sha256(value), bytes: Buffer.byteLength(value) } })
		expect(JSON.parse(manifest ?? 'null')).toMatchObject({
			schema: 1,
			binding: { namespace: tenant.namespace, name: 'payments' },
			vault: tenant.vaultUrl,
			secrets: {
				dbConnectionString: {
					objectName: 'payments-db',
					version: binding.status?.secrets?.[0]?.version,
					state: 'Current',
					pinned: false,
				},
			},
		})
		expect(await world.fingerprint(tenant, 'dbConnectionString')).toBe(sha256(value).slice(0, 12))
	})

	it('a rotation in the vault reaches the file, the service and its onChange listener', async () => {
		const value = world.canary('rotation-second')
		const { version } = await world.control.setSecret({ vault: 'rotation', name: 'payments-db', value })
		const change = await until('onChange in the service', async () =>
			(await world.changes(tenant)).find((each) => each.changes.some((change) => change.version === version)),
		)
		// Under the name of the file and that of the vault: a service may ask for either.
		expect(change.changes.map((each) => each.name).toSorted()).toEqual(['dbConnectionString', 'payments-db'])
		expect((await world.mountedFiles(tenant)).files['dbConnectionString']?.sha256).toBe(sha256(value))
		expect(await world.fingerprint(tenant, 'dbConnectionString')).toBe(sha256(value).slice(0, 12))
		const binding = await waitForBinding(
			world,
			tenant,
			'the new version in status',
			(b) => b.status?.secrets?.[0]?.version === version,
		)
		expect(condition(binding, 'Ready')).toMatchObject({ status: 'True' })
	})

	it('a secret that the service writes is in the vault, and comes back through the mount', async () => {
		const fingerprint = await world.renew(tenant, 'dbConnectionString')
		const stored = await world.control.getSecret({ vault: 'rotation', name: 'payments-db' })
		expect(sha256(stored.value ?? '').slice(0, 12)).toBe(fingerprint)
		await until('the written value in the mounted file', async () => {
			const { files } = await world.mountedFiles(tenant)
			return files['dbConnectionString']?.sha256.slice(0, 12) === fingerprint
		})
		expect(decoded(await getSecret(world, tenant), 'dbConnectionString')).toBe(stored.value)
	})

	it('a pinned version stays while the current one moves on', async () => {
		const pinnedValue = world.canary('rotation-pinned')
		const { version } = await world.control.setSecret({ vault: 'rotation', name: 'payments-db', value: pinnedValue })
		const value = world.canary('rotation-third')
		const next = await world.control.setSecret({ vault: 'rotation', name: 'payments-db', value })
		await applyBinding(world, tenant, {
			secrets: [
				{ name: 'dbConnectionString', objectName: 'payments-db' },
				{ name: 'old', objectName: 'payments-db', version },
			],
		})
		await waitForBinding(
			world,
			tenant,
			'two secrets',
			(b) => b.status?.synced === '2/2' && b.status.secrets?.[0]?.version === next.version,
		)
		const secret = await getSecret(world, tenant)
		expect(decoded(secret, 'old')).toBe(pinnedValue)
		expect(decoded(secret, 'dbConnectionString')).toBe(value)
	})

	it('an entry deleted from the spec leaves the Secret at once', async () => {
		await applyBinding(world, tenant, { secrets: [{ name: 'dbConnectionString', objectName: 'payments-db' }] })
		await waitForBinding(world, tenant, 'one secret', (b) => b.status?.synced === '1/1')
		expect(Object.keys((await getSecret(world, tenant)).data ?? {}).toSorted()).toEqual([
			'.binding.json',
			'dbConnectionString',
		])
	})
})
