import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding } from '../kit/binding.ts'
import { applyObjects } from '../kit/kubectl.ts'
import { deletePod, filesOf, podRuns, sha256, startVolumePod } from '../kit/node-role.ts'
import type { Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { createVolumeTenant, ensureNodeRole, eventOf, removeVolumeTenant, volume } from '../kit/volume-stage.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume-down'

describe('memory volumes while the vault is down', () => {
	let world: World
	let tenant: Tenant
	let value: string
	let fault: string | undefined
	const shaIn = async (pod: string) => (await filesOf(world, tenant, pod)).files['apiKey']?.sha256
	const start = (name: string, binding: string, more: { serviceAccount?: string } = {}) =>
		startVolumePod(world, tenant, { name, binding, ...more })
	const endOutage = async () => {
		if (fault !== undefined) await world.control.removeFault(fault)
		fault = undefined
	}

	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createVolumeTenant(world, { name: 'volume-down', vault: VAULT })
		await ensureNodeRole(world)
		value = world.canary('volume-down')
		await world.control.setSecret({ vault: VAULT, name: 'apiKey', value })
		await applyBinding(world, tenant, { name: 'strict', secrets: [{ name: 'apiKey' }], spec: volume() })
		const spec = volume({ offlineFor: '1h' })
		await applyBinding(world, tenant, { name: 'lenient', secrets: [{ name: 'apiKey' }], spec })
		for (const binding of ['strict', 'lenient']) {
			await start(binding, binding)
			await podRuns(world, tenant, binding)
		}
		fault = (await world.control.addFault({ match: { vault: VAULT }, action: 'reset' })).id
		const since = Date.now()
		await until('refused polls', async () => {
			const refused = (await world.control.requests({ since })).filter((each) => each.vault === VAULT)
			return refused.length >= 2
		})
		// What the vault answered half a minute ago still does for pods that start together (operator/src/vault/answers.ts).
		await until('no answer of before', async () => Date.now() > since + 35_000)
	})
	afterAll(async () => {
		await endOutage()
		await removeVolumeTenant(world, tenant)
	})

	it('a pod that runs keeps its files', async () => {
		expect(await shaIn('strict')).toBe(sha256(value))
		expect(await shaIn('lenient')).toBe(sha256(value))
	})

	it('with offlineFor a new pod of the same identity starts, and its event says from what', async () => {
		await start('new-lenient', 'lenient')
		await podRuns(world, tenant, 'new-lenient')
		expect(await shaIn('new-lenient')).toBe(sha256(value))
		await eventOf(world, tenant, 'new-lenient', 'SecretsMountedOffline', 'offlineFor')
	})

	it('with offlineFor a pod of another identity does not', async () => {
		await applyObjects(world.target, [
			{
				apiVersion: 'v1',
				kind: 'ServiceAccount',
				metadata: {
					namespace: tenant.namespace,
					name: 'other',
					annotations: {
						'azure.workload.identity/client-id': tenant.clientId,
						'azure.workload.identity/tenant-id': world.tenantId,
					},
				},
			},
		])
		const spec = { ...volume({ offlineFor: '1h' }), identity: { serviceAccountName: 'other' } }
		await applyBinding(world, tenant, { name: 'others', secrets: [{ name: 'apiKey' }], spec })
		await start('other', 'others', { serviceAccount: 'other' })
		await eventOf(world, tenant, 'other', 'SecretsNotMounted')
		await deletePod(world, tenant, 'other')
	})

	it('a new pod does not start, and says why', async () => {
		await start('new-strict', 'strict')
		const note = await eventOf(world, tenant, 'new-strict', 'SecretsNotMounted')
		expect(note).toMatch(/^Vault(Unreachable|Timeout): /)
	})

	it('a rotation made meanwhile arrives once the vault is back, and what waited starts', async () => {
		const next = world.canary('volume-down-next')
		await world.control.setSecret({ vault: VAULT, name: 'apiKey', value: next })
		await endOutage()
		for (const pod of ['strict', 'lenient', 'new-lenient'])
			await until(`the new value in ${pod}`, async () => (await shaIn(pod)) === sha256(next))
		await podRuns(world, tenant, 'new-strict', 150)
		expect(await shaIn('new-strict')).toBe(sha256(next))
	})
})
