import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, condition, decoded, getSecret, printedCommand, waitForBinding } from '../kit/binding.ts'
import { createTenant, SECRETS_USER, type Tenant } from '../kit/tenant.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('an identity without a role on the vault', () => {
	let world: World
	let tenant: Tenant
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'denied', vault: 'denied', role: null })
	})
	afterAll(() => tenant?.remove())

	it('is told which role to assign, and the printed line, given to Azure as it stands, mends it', async () => {
		const value = world.canary('denied')
		await world.control.setSecret({ vault: 'denied', name: 'api-key', value })
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey', objectName: 'api-key' }] })
		const denied = await waitForBinding(world, tenant, 'Fresh False', (b) => condition(b, 'Fresh')?.status === 'False')
		expect(condition(denied, 'Fresh')).toMatchObject({ reason: 'ForbiddenByRbac' })
		expect(condition(denied, 'Ready')).toMatchObject({ status: 'False' })

		await world.control.az({ command: printedCommand(condition(denied, 'Fresh')?.message ?? '') })
		await waitForBinding(
			world,
			tenant,
			'Ready after the fix',
			(b) => condition(b, 'Ready')?.status === 'True' && condition(b, 'Fresh')?.status === 'True',
		)
		expect(decoded(await getSecret(world, tenant), 'apiKey')).toBe(value)
	})

	it('that loses its role keeps what was delivered', async () => {
		await world.control.revoke({ clientId: tenant.clientId, role: SECRETS_USER, vault: 'denied' })
		const stale = await waitForBinding(world, tenant, 'Fresh False', (b) => condition(b, 'Fresh')?.status === 'False')
		expect(condition(stale, 'Ready')).toMatchObject({ status: 'True' })
		expect(Object.keys((await getSecret(world, tenant)).data ?? {})).toContain('apiKey')
	})
})
