import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { eventsOf, filesOf, metricsOfNodeRole, podRuns, sha256, startVolumePod } from '../kit/node-role.ts'
import type { Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { createVolumeTenant, ensureNodeRole, eventOf, removeVolumeTenant, volume } from '../kit/volume-stage.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume-attack'
const POD_INFO = 'csi.storage.k8s.io/'

describe('a pod whose author wants the secrets of another namespace', () => {
	let world: World
	let victim: Tenant
	let thief: Tenant
	let value: string

	beforeAll(async () => {
		world = await connectWorld()
		victim = await createVolumeTenant(world, { name: 'volume-victim', vault: VAULT })
		thief = await createVolumeTenant(world, { name: 'volume-thief', vault: VAULT, role: null })
		await ensureNodeRole(world)
		value = world.canary('volume-attack')
		await world.control.setSecret({ vault: VAULT, name: 'apiKey', value })
		// What is kept for starts without a vault is what a thief would like best.
		await applyBinding(world, victim, { secrets: [{ name: 'apiKey' }], spec: volume({ offlineFor: '1h' }) })
		await startVolumePod(world, victim, { name: 'app' })
		await podRuns(world, victim, 'app')
	})
	afterAll(async () => {
		await removeVolumeTenant(world, thief)
		await removeVolumeTenant(world, victim)
	})

	it('says that it is one of that namespace: the kubelet knows better', async () => {
		const { namespace, serviceAccount } = victim
		const { metadata } = JSON.parse(
			await kubectl(world.target, ['-n', namespace, 'get', 'pod', 'app', '-o', 'json']),
		) as { metadata: { uid: string } }
		const attributes = {
			[`${POD_INFO}pod.namespace`]: namespace,
			[`${POD_INFO}pod.name`]: 'app',
			[`${POD_INFO}pod.uid`]: metadata.uid,
			[`${POD_INFO}serviceAccount.name`]: serviceAccount,
		}
		await startVolumePod(world, thief, { name: 'claims', attributes })
		const note = await eventOf(world, thief, 'claims', 'SecretsNotMounted')
		expect(note).toContain(`The namespace ${thief.namespace} has no AzureSecretBinding payments`)
	})

	it.each(['{ns}/payments', '../{ns}/payments', '%2e%2e/{ns}', 'payments&fieldSelector='])(
		'names the binding as %s: that is no name',
		async (pattern) => {
			const name = `names-${pattern.length}`
			await startVolumePod(world, thief, { name, binding: pattern.replace('{ns}', victim.namespace) })
			await eventOf(world, thief, name, 'FailedMount', 'write volumeAttributes: {binding: NAME}')
		},
	)

	it('writes a binding with the identity of that namespace: its own token does not speak for it', async () => {
		const { clientId } = victim
		const identity = { serviceAccountName: thief.serviceAccount, clientId, tenantId: world.tenantId }
		const spec = { ...volume({ offlineFor: '1h' }), identity }
		await applyBinding(world, thief, { name: 'borrowed', secrets: [{ name: 'apiKey' }], spec })
		await startVolumePod(world, thief, { name: 'borrows', binding: 'borrowed' })
		const note = await eventOf(world, thief, 'borrows', 'SecretsNotMounted', 'Federat')
		expect(note).toContain(thief.subject)
	})

	it('gets nothing by any of it, and none of these pods has started', async () => {
		const pods = JSON.parse(await kubectl(world.target, ['-n', thief.namespace, 'get', 'pods', '-o', 'json'])) as {
			items: { metadata: { name: string }; status: { phase: string } }[]
		}
		expect(pods.items.map(({ status }) => status.phase)).toEqual(pods.items.map(() => 'Pending'))
		expect(pods.items).toHaveLength(6)
		for (const { metadata } of pods.items) expect(await eventsOf(world, thief, metadata.name)).not.toEqual([])
		expect((await filesOf(world, victim, 'app')).files['apiKey']?.sha256).toBe(sha256(value))
	})

	it('what a node keeps for starts without the vault goes with the binding', async () => {
		const kept = async () => {
			return /^asb_node_offline_kept (\d+)$/m.exec(await metricsOfNodeRole(world))?.[1]
		}
		const before = Number(await until('something kept', async () => Number(await kept()) > 0 && kept()))
		await kubectl(world.target, ['-n', victim.namespace, 'delete', 'asb', 'payments'])
		await until('one less', async () => Number(await kept()) === before - 1)
		// The pod that runs goes on with its files.
		expect((await filesOf(world, victim, 'app')).files['apiKey']?.sha256).toBe(sha256(value))
	})
})
