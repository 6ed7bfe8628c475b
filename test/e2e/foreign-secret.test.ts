import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, condition, decoded, getSecret, waitForBinding } from '../kit/binding.ts'
import { applyObjects, kubectl } from '../kit/kubectl.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('a Secret of that name that somebody else made', () => {
	let world: World
	let tenant: Tenant
	let value: string
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'foreign', vault: 'foreign' })
		value = world.canary('foreign')
		await world.control.setSecret({ vault: 'foreign', name: 'apiKey', value })
		await applyObjects(world.target, [
			{
				apiVersion: 'v1',
				kind: 'Secret',
				metadata: { namespace: tenant.namespace, name: 'payments-secrets' },
				stringData: { apiKey: 'theirs', other: 'theirs too' },
			},
		])
	})
	afterAll(() => tenant?.remove())

	it('is refused and untouched, and the message prints how to hand it over', async () => {
		const before = await getSecret(world, tenant)
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }] })
		const refused = await waitForBinding(world, tenant, 'Stalled', (b) => condition(b, 'Stalled')?.status === 'True')
		expect(condition(refused, 'Ready')).toMatchObject({ status: 'False', reason: 'SecretNotOurs' })
		expect(condition(refused, 'Stalled')?.message).toContain('kubectl')
		expect(await getSecret(world, tenant)).toEqual(before)
	})

	it('is adopted when a human runs the printed line', async () => {
		const refused = await waitForBinding(world, tenant, 'Stalled', (b) => condition(b, 'Stalled')?.status === 'True')
		const line = (condition(refused, 'Stalled')?.message ?? '')
			.split('\n')
			.map((l) => l.trim())
			.find((l) => l.startsWith('kubectl '))
		// The line names everything; only the cluster is ours to add.
		await kubectl(world.target, (line ?? '').split(' ').slice(1))
		await waitForBinding(world, tenant, 'Ready', (b) => condition(b, 'Ready')?.status === 'True')
		const adopted = await getSecret(world, tenant)
		expect(decoded(adopted, 'apiKey')).toBe(value)
		expect(adopted.metadata.labels).toMatchObject({ 'secrets.purista.dev/binding': 'payments' })
	})
})
