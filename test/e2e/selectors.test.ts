import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, sha256, waitForBinding, waitReady } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

// What a user sees in the pod of selectors and of older versions.
describe('a binding that selects by tag and keeps an older version', () => {
	let world: World
	let tenant: Tenant
	const vault = 'selectors'
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'selectors', vault })
	})
	afterAll(() => tenant?.remove())
	const files = async () => (await world.mountedFiles(tenant)).files
	const hashes = async () =>
		Object.fromEntries(Object.entries(await files()).map(([name, file]) => [name, file.sha256]))

	it('delivers what has the tag, and the version before the current one', async () => {
		const [older, current, tagged] = ['older', 'current', 'tagged'].map((name) => world.canary(`selectors-${name}`))
		await world.control.setSecret({ vault, name: 'signing-key', value: older ?? '' })
		// Times in a vault are whole seconds: versions of one second could not be ordered.
		const first = Math.floor(Date.now() / 1000)
		await until('a later second', async () => Math.floor(Date.now() / 1000) > first)
		await world.control.setSecret({ vault, name: 'signing-key', value: current ?? '' })
		await world.control.setSecret({ vault, name: 'pay-db-url', value: tagged ?? '', tags: { team: 'payments' } })
		await world.startService(tenant)
		await applyBinding(world, tenant, {
			secrets: [{ name: 'signingKey', objectName: 'signing-key', previous: 1 }],
			spec: {
				select: [{ prefix: 'pay-', tags: { team: 'payments' }, stripPrefix: true, nameStyle: 'UpperSnake' }],
				policy: { deselected: 'Remove' },
			},
		})
		expect((await waitReady(world, tenant)).status?.synced).toBe('2/2')
		await kubectl(world.target, ['-n', tenant.namespace, 'rollout', 'status', 'deployment/payments', '--timeout=180s'])
		expect(await hashes()).toEqual({
			DB_URL: sha256(tagged ?? ''),
			signingKey: sha256(current ?? ''),
			'signingKey.previous': sha256(older ?? ''),
		})
		expect(await world.fingerprint(tenant, 'DB_URL')).toBe(sha256(tagged ?? '').slice(0, 12))
	})

	it('a secret that gets the tag comes by itself', async () => {
		const value = world.canary('selectors-later')
		await world.control.setSecret({ vault, name: 'pay-api-key', value, tags: { team: 'payments' } })
		await until('the new file in the pod', async () => (await hashes())['API_KEY'] === sha256(value))
	})

	it('a rotation moves the current version to the older one', async () => {
		const before = (await hashes())['signingKey']
		const value = world.canary('selectors-rotated')
		await world.control.setSecret({ vault, name: 'signing-key', value })
		await until('both files', async () => {
			const now = await hashes()
			return now['signingKey'] === sha256(value) && now['signingKey.previous'] === before
		})
	})

	it('one that loses the tag leaves, under Remove', async () => {
		await world.control.updateSecret({ vault, name: 'pay-db-url', tags: { team: 'shop' } })
		await waitForBinding(world, tenant, 'two of two', (b) => b.status?.synced === '2/2')
		await until('the file gone', async () => !('DB_URL' in (await hashes())))
	})
})
