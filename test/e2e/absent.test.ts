import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, condition, decoded, getSecret, waitForBinding, waitReady } from '../kit/binding.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('a secret that the vault does not have', () => {
	let world: World
	let tenant: Tenant
	let value: string
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'absent', vault: 'absent' })
		value = world.canary('absent')
		await world.control.setSecret({ vault: 'absent', name: 'here', value })
	})
	afterAll(() => tenant?.remove())

	it('keeps the binding from Ready, while the other secrets are delivered', async () => {
		await applyBinding(world, tenant, { secrets: [{ name: 'here' }, { name: 'missing' }] })
		const binding = await waitForBinding(world, tenant, 'one of two', (b) => b.status?.synced === '1/2')
		expect(condition(binding, 'Ready')).toMatchObject({ status: 'False' })
		expect(condition(binding, 'Ready')?.message).toContain('missing')
		expect(decoded(await getSecret(world, tenant), 'here')).toBe(value)
	})

	it('does not, when it is optional', async () => {
		await applyBinding(world, tenant, { secrets: [{ name: 'here' }, { name: 'missing', optional: true }] })
		await waitReady(world, tenant)
	})

	it('that was delivered and then deleted from the vault stays under the policy Keep, and is marked', async () => {
		await applyBinding(world, tenant, { secrets: [{ name: 'here' }] })
		await waitForBinding(world, tenant, 'one of one', (b) => b.status?.synced === '1/1')
		await world.control.deleteSecret({ vault: 'absent', name: 'here' })
		const binding = await waitForBinding(
			world,
			tenant,
			'state Absent',
			(b) => b.status?.secrets?.[0]?.state === 'Absent',
		)
		expect(condition(binding, 'Fresh')).toMatchObject({ status: 'False' })
		const secret = await getSecret(world, tenant)
		expect(decoded(secret, 'here')).toBe(value)
		expect(JSON.parse(decoded(secret, '.binding.json'))).toMatchObject({ secrets: { here: { state: 'Absent' } } })
	})

	it('leaves the Secret under the policy Remove', async () => {
		await applyBinding(world, tenant, { secrets: [{ name: 'here' }], spec: { policy: { absent: 'Remove' } } })
		await waitForBinding(world, tenant, 'none of one', (b) => b.status?.synced === '0/1')
		expect((await getSecret(world, tenant)).data?.['here']).toBeUndefined()
	})
})
