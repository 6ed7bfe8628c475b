import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding } from '../kit/binding.ts'
import { deletePod, filesOf, inPod, MOUNT_PATH, podRuns, sha256, startVolumePod } from '../kit/node-role.ts'
import type { Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { createVolumeTenant, ensureNodeRole, eventOf, removeVolumeTenant, volume } from '../kit/volume-stage.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume-inline'

// What Kubernetes' suite for storage drivers (External.Storage) asks of inline volumes, with this driver's pods.
describe('inline volumes as the suite of Kubernetes asks for them', () => {
	let world: World
	let tenant: Tenant
	const values: Record<'first' | 'second', string> = { first: '', second: '' }
	const shaIn = async (pod: string, name: string, path?: string) =>
		(await filesOf(world, tenant, pod, path)).files[name]?.sha256

	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createVolumeTenant(world, { name: 'volume-inline', vault: VAULT })
		await ensureNodeRole(world)
		for (const name of ['first', 'second'] as const) {
			values[name] = world.canary(`volume-inline-${name}`)
			await world.control.setSecret({ vault: VAULT, name, value: values[name] })
			await applyBinding(world, tenant, { name, secrets: [{ name }], spec: volume() })
		}
	})
	afterAll(() => removeVolumeTenant(world, tenant))

	it('a pod has several volumes, of several bindings and of one binding twice', async () => {
		const volumes = {
			one: { binding: 'first', path: '/var/run/one' },
			two: { binding: 'second', path: '/var/run/two' },
			again: { binding: 'first', path: '/var/run/again' },
		}
		await startVolumePod(world, tenant, { name: 'several', volumes })
		await podRuns(world, tenant, 'several')
		expect(await shaIn('several', 'first', '/var/run/one')).toBe(sha256(values.first))
		expect(await shaIn('several', 'second', '/var/run/two')).toBe(sha256(values.second))
		expect(await shaIn('several', 'first', '/var/run/again')).toBe(sha256(values.first))
		const next = world.canary('volume-inline-next')
		await world.control.setSecret({ vault: VAULT, name: 'first', value: next })
		values.first = next
		for (const path of ['/var/run/one', '/var/run/again'])
			await until(`the new value in ${path}`, async () => (await shaIn('several', 'first', path)) === sha256(next))
	})

	it('pods share the driver at once, and one that ends takes nothing from the others', async () => {
		const pods = ['shared-1', 'shared-2', 'shared-3']
		await Promise.all(pods.map((name) => startVolumePod(world, tenant, { name, binding: 'first' })))
		await Promise.all(pods.map((name) => podRuns(world, tenant, name)))
		await deletePod(world, tenant, 'shared-1')
		const next = world.canary('volume-inline-shared')
		await world.control.setSecret({ vault: VAULT, name: 'first', value: next })
		for (const pod of ['shared-2', 'shared-3'])
			await until(`the new value in ${pod}`, async () => (await shaIn(pod, 'first')) === sha256(next))
	})

	it('the volume is read-only for the pod, though the mount does not say so', async () => {
		const script = `
			const { writeFileSync, unlinkSync, renameSync } = require('node:fs'), dir = process.argv[1], codes = []
			for (const tried of [
				() => writeFileSync(dir + '/new', 'x'), () => writeFileSync(dir + '/first', 'x'),
				() => unlinkSync(dir + '/first'), () => renameSync(dir + '/first', dir + '/other'),
			]) try { tried(); codes.push('done') } catch ({ code }) { codes.push(code) }
			console.log(JSON.stringify(codes))`
		const codes: unknown = JSON.parse(await inPod(world, tenant, 'shared-2', script, [MOUNT_PATH]))
		expect(codes).toEqual(['EROFS', 'EROFS', 'EROFS', 'EROFS'])
	})

	it('a pod that names more bindings than a namespace may have on a node, none of which is there, keeps no other pod from starting', async () => {
		const names = Array.from({ length: 140 }, (_, i) => `none-${i}`)
		const volumes = Object.fromEntries(names.map((binding) => [binding, { binding, path: `/var/run/${binding}` }]))
		await startVolumePod(world, tenant, { name: 'greedy', volumes })
		await eventOf(world, tenant, 'greedy', 'SecretsNotMounted', 'TooManyBindings')
		await startVolumePod(world, tenant, { name: 'beside', binding: 'second' })
		await podRuns(world, tenant, 'beside')
		expect(await shaIn('beside', 'second')).toBe(sha256(values.second))
		await deletePod(world, tenant, 'greedy')
	})

	it('a volume that asks to be written is refused with the line to write', async () => {
		await startVolumePod(world, tenant, { name: 'writes', binding: 'first', readOnly: false })
		await eventOf(world, tenant, 'writes', 'FailedMount', 'write readOnly: true beside the driver')
		await deletePod(world, tenant, 'writes')
	})
})
