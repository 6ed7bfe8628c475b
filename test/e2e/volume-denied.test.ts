import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, printedCommand } from '../kit/binding.ts'
import { filesOf, podRuns, sha256, startVolumePod } from '../kit/node-role.ts'
import { EXCHANGE_AUDIENCE, SECRETS_USER, type Tenant } from '../kit/tenant.ts'
import { createVolumeTenant, ensureNodeRole, eventOf, removeVolumeTenant, volume } from '../kit/volume-stage.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume-denied'

describe('a pod whose identity may not read the vault', () => {
	let world: World
	let value: string
	const tenants: Tenant[] = []
	const tenantOf = async (options: { name: string; role?: null; federate?: false }) => {
		const tenant = await createVolumeTenant(world, { vault: VAULT, ...options })
		tenants.push(tenant)
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey', objectName: 'api-key' }], spec: volume() })
		return tenant
	}
	const runsWithValue = async (tenant: Tenant, pod: string) => {
		await podRuns(world, tenant, pod, 120)
		expect((await filesOf(world, tenant, pod)).files['apiKey']?.sha256).toBe(sha256(value))
	}

	beforeAll(async () => {
		world = await connectWorld()
		value = world.canary('volume-denied')
		await world.control.setSecret({ vault: VAULT, name: 'api-key', value })
		await ensureNodeRole(world)
	})
	afterAll(async () => {
		for (const tenant of tenants) await removeVolumeTenant(world, tenant)
	})

	it('is told which role is missing; after the printed line it starts', async () => {
		const tenant = await tenantOf({ name: 'volume-denied', role: null })
		await startVolumePod(world, tenant, { name: 'denied' })
		const note = await eventOf(world, tenant, 'denied', 'SecretsNotMounted', 'ForbiddenByRbac')
		await world.control.az({ command: printedCommand(note) })
		await runsWithValue(tenant, 'denied')
	})

	it('that loses its role keeps what it has, and is told so', async () => {
		const tenant = tenants[0] as Tenant
		await world.control.revoke({ clientId: tenant.clientId, role: SECRETS_USER, vault: VAULT })
		await eventOf(world, tenant, 'denied', 'SecretsNotFresh', 'ForbiddenByRbac')
		await runsWithValue(tenant, 'denied')
	})

	it('is told of a federated credential for another subject; after the printed line it starts', async () => {
		const tenant = await tenantOf({ name: 'volume-subject', federate: false })
		const { clientId, issuer, subject } = tenant
		const mistyped = { clientId, issuer, audience: EXCHANGE_AUDIENCE, name: 'typing-error', subject: `${subject}s` }
		await world.control.addFederatedCredential(mistyped)
		await startVolumePod(world, tenant, { name: 'subject' })
		const note = await eventOf(world, tenant, 'subject', 'SecretsNotMounted', 'Federat')
		for (const part of [issuer, subject, EXCHANGE_AUDIENCE]) expect(note).toContain(part)
		await world.control.az({ command: printedCommand(note) })
		await runsWithValue(tenant, 'subject')
	})
})
