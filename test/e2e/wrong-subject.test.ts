import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, condition, decoded, getSecret, printedCommand, waitForBinding } from '../kit/binding.ts'
import { createTenant, EXCHANGE_AUDIENCE, type Tenant } from '../kit/tenant.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('a federated credential for another subject', () => {
	let world: World
	let tenant: Tenant
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'subject', vault: 'subject', federate: false })
		await world.control.addFederatedCredential({
			clientId: tenant.clientId,
			name: 'typing-error',
			issuer: tenant.issuer,
			subject: `${tenant.subject}s`,
			audience: EXCHANGE_AUDIENCE,
		})
	})
	afterAll(() => tenant?.remove())

	it('is explained with issuer, subject and audience, and the printed line mends it', async () => {
		const value = world.canary('subject')
		await world.control.setSecret({ vault: 'subject', name: 'api-key', value })
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey', objectName: 'api-key' }] })
		const refused = await waitForBinding(world, tenant, 'Fresh False', (b) => condition(b, 'Fresh')?.status === 'False')
		const fresh = condition(refused, 'Fresh')
		expect(fresh?.reason).toMatch(/^Federat/)
		for (const part of [tenant.issuer, tenant.subject, EXCHANGE_AUDIENCE]) expect(fresh?.message).toContain(part)
		// Federation takes minutes to propagate: until then this is waiting, not a mistake.
		expect(condition(refused, 'Reconciling')).toMatchObject({ status: 'True' })
		expect(condition(refused, 'Stalled')).toBeUndefined()

		await world.control.az({ command: printedCommand(fresh?.message ?? '') })
		await waitForBinding(world, tenant, 'Fresh after the fix', (b) => condition(b, 'Fresh')?.status === 'True')
		expect(decoded(await getSecret(world, tenant), 'apiKey')).toBe(value)
	})
})
