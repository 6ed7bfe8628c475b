import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, condition, sha256, waitForBinding, waitReady } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('while the vault is down', () => {
	let world: World
	let tenant: Tenant
	let value: string
	let fault: string | undefined
	const endOutage = async () => {
		if (fault) await world.control.removeFault(fault)
		fault = undefined
	}
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'outage', vault: 'outage' })
		value = world.canary('outage')
		await world.control.setSecret({ vault: 'outage', name: 'apiKey', value })
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }] })
		await waitReady(world, tenant)
		await world.startService(tenant)
		await kubectl(world.target, ['-n', tenant.namespace, 'rollout', 'status', 'deployment/payments', '--timeout=180s'])
	})
	afterAll(async () => {
		await endOutage()
		await tenant?.remove()
	})

	it('the binding stays Ready, and a pod that is rescheduled starts with its secret', async () => {
		fault = (await world.control.addFault({ match: { vault: 'outage' }, action: 'reset' })).id
		const since = Date.now()
		await until('two refused looks', async () => {
			const looks = (await world.control.requests({ since })).filter((each) => each.vault === 'outage')
			return looks.length >= 2
		})
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pod', '-l', 'app=payments'])
		await kubectl(world.target, ['-n', tenant.namespace, 'rollout', 'status', 'deployment/payments', '--timeout=180s'])
		expect((await world.mountedFiles(tenant)).files['apiKey']?.sha256).toBe(sha256(value))
		const binding = await waitForBinding(world, tenant, 'a status', () => true)
		expect(condition(binding, 'Ready')).toMatchObject({ status: 'True' })
	})

	it('a rotation made meanwhile arrives once it is back', async () => {
		const next = world.canary('outage-next')
		await world.control.setSecret({ vault: 'outage', name: 'apiKey', value: next })
		await endOutage()
		await until(
			'the new value in the file',
			async () => (await world.mountedFiles(tenant)).files['apiKey']?.sha256 === sha256(next),
		)
		await waitForBinding(world, tenant, 'Fresh', (b) => condition(b, 'Fresh')?.status === 'True')
	})
})
