import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, getSecret, waitReady } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('a binding that is deleted', () => {
	let world: World
	let tenant: Tenant
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'deleted', vault: 'deleted' })
		await world.control.setSecret({ vault: 'deleted', name: 'apiKey', value: world.canary('deleted') })
	})
	afterAll(() => tenant?.remove())
	const delivery = (onDelete: string) => ({
		delivery: { type: 'Secret', secret: { name: 'payments-secrets', onDelete } },
	})

	it('takes its Secret along by default', async () => {
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }], spec: delivery('Delete') })
		await waitReady(world, tenant)
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'asb', 'payments'])
		await until('the Secret to be gone', async () => {
			const found = await kubectl(world.target, ['-n', tenant.namespace, 'get', 'secrets', '-o', 'name'])
			return !found.includes('payments-secrets')
		})
	})

	it('leaves it with onDelete: Retain, and a binding of the same name goes on with it', async () => {
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }], spec: delivery('Retain') })
		await waitReady(world, tenant)
		const before = await getSecret(world, tenant)
		expect(before.metadata.ownerReferences).toBeUndefined()
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'asb', 'payments'])
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }], spec: delivery('Retain') })
		await waitReady(world, tenant)
		expect((await getSecret(world, tenant)).metadata.uid).toBe(before.metadata.uid)
	})
})
