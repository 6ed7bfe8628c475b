import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, decoded, getSecret, waitReady } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

describe('a Secret that somebody edited', () => {
	let world: World
	let tenant: Tenant
	let value: string
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'drift', vault: 'drift' })
		value = world.canary('drift')
		await world.control.setSecret({ vault: 'drift', name: 'apiKey', value })
		await world.control.setSecret({ vault: 'drift', name: 'other', value: world.canary('drift-other') })
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }, { name: 'other' }] })
		await waitReady(world, tenant)
	})
	afterAll(() => tenant?.remove())
	/** As somebody with kubectl. */
	const edit = (body: object) => {
		const patch = ['patch', 'secret', 'payments-secrets', '--type=merge', '-p', JSON.stringify(body)]
		return kubectl(world.target, ['-n', tenant.namespace, ...patch])
	}

	it('gets its value back from the vault at the next data write, the key that nobody rotated included', async () => {
		await edit({ stringData: { apiKey: 'edited by hand' } })
		await world.control.setSecret({ vault: 'drift', name: 'other', value: world.canary('drift-other-next') })
		await until('the value of the vault', async () => decoded(await getSecret(world, tenant), 'apiKey') === value)
	})

	it('gets a key back that was deleted, when asked to look now', async () => {
		await edit({ data: { apiKey: null } })
		await kubectl(world.target, [
			'-n',
			tenant.namespace,
			'annotate',
			'asb',
			'payments',
			'secrets.purista.dev/requested-at=now',
			'--overwrite',
		])
		await until('the deleted key', async () => decoded(await getSecret(world, tenant), 'apiKey') === value)
		expect(Object.keys((await getSecret(world, tenant)).data ?? {}).toSorted()).toEqual([
			'.binding.json',
			'apiKey',
			'other',
		])
	})
})
