import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, getBinding, getSecret, waitReady } from '../kit/binding.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('a vault in which nothing changes', () => {
	let world: World
	let tenant: Tenant
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'quiet', vault: 'quiet' })
		const names = ['a', 'b', 'c', 'd']
		for (const name of names)
			await world.control.setSecret({ vault: 'quiet', name, value: world.canary(`quiet-${name}`) })
		await applyBinding(world, tenant, { secrets: names.map((name) => ({ name })) })
		await waitReady(world, tenant)
	})
	afterAll(() => tenant?.remove())

	it('costs no write of any kind and no read of a value that is settled', async () => {
		const pollsSince = async (since: number) =>
			(await world.control.requests({ since })).filter((each) => each.vault === 'quiet')
		// A secret younger than 2 s is looked at again; begin when the first sync has settled.
		const first = Date.now()
		await until(
			'two looks after the first sync',
			async () => (await pollsSince(first)).filter((each) => each.route === 'listSecrets').length >= 2,
		)
		const [secret, binding, since] = [await getSecret(world, tenant), await getBinding(world, tenant), Date.now()]
		await until(
			'three more looks',
			async () => (await pollsSince(since)).filter((each) => each.route === 'listSecrets').length >= 3,
		)
		expect(await getSecret(world, tenant)).toEqual(secret)
		expect(await getBinding(world, tenant)).toEqual(binding)
		expect((await pollsSince(since)).filter((each) => each.route === 'getSecret')).toEqual([])
	})
})
