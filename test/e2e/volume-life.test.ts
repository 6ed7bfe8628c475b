import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseMetrics, sumOf } from '../bench/prometheus.ts'
import { applyBinding } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { restartKubelet } from '../kit/kubelet.ts'
import {
	deletePod,
	filesOf,
	metricsOfNodeRole,
	NODE_NAMESPACE,
	podRuns,
	sha256,
	startVolumePod,
	volumesOnNode,
} from '../kit/node-role.ts'
import type { Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { createVolumeTenant, ensureNodeRole, eventOf, removeVolumeTenant, volume } from '../kit/volume-stage.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume-life'
const SET = 'daemonset/azure-secret-binding-node'

describe('a node that loses the node role, and then its kubelet', () => {
	let world: World
	let tenant: Tenant
	let value: string
	const inSet = (args: string[]) => kubectl(world.target, ['-n', NODE_NAMESPACE, ...args])
	/** On no node there is, or on each again. */
	const keepAway = async (isAway: boolean) => {
		const nodeSelector = { 'secrets.purista.dev/nowhere': isAway ? 'true' : null }
		await inSet([
			'patch',
			SET,
			'--type=merge',
			'-p',
			JSON.stringify({ spec: { template: { spec: { nodeSelector } } } }),
		])
		if (!isAway) return void (await inSet(['rollout', 'status', SET, '--timeout=120s']))
		await until('no node role', async () => (await inSet(['get', 'pods', '-o', 'name'])).trim() === '')
	}
	const phaseOf = (pod: string) =>
		kubectl(world.target, ['-n', tenant.namespace, 'get', 'pod', pod, '--ignore-not-found', '-o', 'name'])

	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createVolumeTenant(world, { name: 'volume-life', vault: VAULT })
		await ensureNodeRole(world)
		value = world.canary('volume-life')
		await world.control.setSecret({ vault: VAULT, name: 'apiKey', value })
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }], spec: volume() })
		for (const name of ['stays', 'goes', 'forced']) await startVolumePod(world, tenant, { name })
		for (const name of ['stays', 'goes', 'forced']) await podRuns(world, tenant, name)
		await keepAway(true)
	})
	afterAll(async () => {
		await keepAway(false)
		await removeVolumeTenant(world, tenant)
	})

	it('a pod that runs keeps its files', async () => {
		expect((await filesOf(world, tenant, 'stays')).files['apiKey']?.sha256).toBe(sha256(value))
	})

	it('a new pod is told by the kubelet that no driver is there', async () => {
		await startVolumePod(world, tenant, { name: 'early' })
		await eventOf(world, tenant, 'early', 'FailedMount', 'not found in the list of registered CSI drivers')
	})

	it('a pod that is deleted hangs, and one that is deleted by force is gone from the API server', async () => {
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pod', 'goes', '--wait=false', '--grace-period=1'])
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pod', 'forced', '--force', '--grace-period=0'])
		// The kubelet cannot unmount it, and so says nothing of its end.
		const { metadata } = JSON.parse(
			await kubectl(world.target, ['-n', tenant.namespace, 'get', 'pod', 'goes', '-o', 'json']),
		) as { metadata: { deletionTimestamp?: string } }
		expect(metadata.deletionTimestamp).toBeDefined()
		expect((await phaseOf('forced')).trim()).toBe('')
	})

	it('once it is back, what hung ends, what waited starts, and nothing of those that are gone is left', {
		timeout: 300_000,
	}, async () => {
		await keepAway(false)
		await until('the deleted pod gone', async () => (await phaseOf('goes')).trim() === '', { timeoutMs: 150_000 })
		await podRuns(world, tenant, 'early', 150)
		await deletePod(world, tenant, 'early')
		await until('one volume', async () => (await volumesOnNode(world)).length === 1, { timeoutMs: 150_000 })
		expect((await filesOf(world, tenant, 'stays')).files['apiKey']?.sha256).toBe(sha256(value))
	})

	it('a kubelet that restarts takes nothing from a pod: it calls again, a rotation arrives, and the pod can end', {
		timeout: 400_000,
	}, async () => {
		const published = async (...result: string[]) =>
			sumOf(parseMetrics(await metricsOfNodeRole(world)), 'asb_node_call_seconds_count', { call: 'publish', result })
		const others = ['kept', 'refused', 'waits', 'error']
		const [before, notServed] = [await published('ok'), await published(...others)]
		await restartKubelet(world)
		expect((await filesOf(world, tenant, 'stays')).files['apiKey']?.sha256).toBe(sha256(value))
		const next = world.canary('volume-life-next')
		await world.control.setSecret({ vault: VAULT, name: 'apiKey', value: next })
		const shown = async () => (await filesOf(world, tenant, 'stays')).files['apiKey']?.sha256
		await until('the new value in the pod', async () => (await shown()) === sha256(next))
		await until('a call of the new kubelet', async () => (await published('ok')) > before, { timeoutMs: 200_000 })
		expect(await published(...others)).toBe(notServed)
		await deletePod(world, tenant, 'stays')
		await until('an empty node', async () => (await volumesOnNode(world)).length === 0)
	})
})
