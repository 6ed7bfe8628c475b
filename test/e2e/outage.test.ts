// Nothing that runs needs the vault, Entra or the operator: all three are dead, a deployment is rescheduled, and every pod
// starts with its secrets.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
	applyBinding,
	type Binding,
	condition,
	getBinding,
	getSecret,
	sha256,
	waitForBinding,
	waitReady,
} from '../kit/binding.ts'
import { applyObjects, getObject, kubectl } from '../kit/kubectl.ts'
import { MOUNT_PATH } from '../kit/service.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

const PODS = 20
// Where the images have it; there is no PATH to find it by.
const NODE = '/usr/local/bin/node'
const NAMES = ['apiKey', 'dbPassword'] as const
// The shortest that the resource allows. What a day would do to the default of 24 h, these minutes do to this.
const STALE_AFTER_MS = 5 * 60_000
// 20 pods of one node, their images in it: a second or two each on a busy machine, and as long again to end the old ones.
const ROLLOUT_S = 240

interface Pod {
	metadata: { name: string; uid: string; deletionTimestamp?: string }
	spec: { nodeName?: string }
	status: { phase: string }
}

describe('with vault, Entra and operator dead', () => {
	let world: World
	let tenant: Tenant
	const values = new Map<string, string>()
	const faults: string[] = []
	const inTenant = (...args: string[]) => kubectl(world.target, ['-n', tenant.namespace, ...args])
	const inOperator = (...args: string[]) => kubectl(world.target, ['-n', world.operator.namespace, ...args])
	const podsOf = async (namespace: string, selector: string) =>
		(await getObject<{ items: Pod[] }>(world.target, ['-n', namespace, 'pods', '-l', selector])).items
	const pods = async () =>
		(await podsOf(tenant.namespace, 'app=reader')).filter((pod) => !pod.metadata.deletionTimestamp)
	let replicas = '1'

	/** The cheapest thing that mounts the Secret: no service, no token, no probe that needs the network. */
	const readers = () => ({
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: { namespace: tenant.namespace, name: 'reader' },
		spec: {
			replicas: PODS,
			selector: { matchLabels: { app: 'reader' } },
			template: {
				metadata: { labels: { app: 'reader' } },
				spec: {
					automountServiceAccountToken: false,
					terminationGracePeriodSeconds: 0,
					securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
					containers: [
						{
							name: 'reader',
							image: world.images.service,
							imagePullPolicy: 'IfNotPresent',
							// The image has Node and nothing else, no shell: this stays until it is ended.
							command: [NODE, '-e', 'setInterval(() => {}, 1 << 30)'],
							securityContext: {
								allowPrivilegeEscalation: false,
								readOnlyRootFilesystem: true,
								capabilities: { drop: ['ALL'] },
							},
							volumeMounts: [{ name: 'secrets', mountPath: MOUNT_PATH, readOnly: true }],
						},
					],
					volumes: [{ name: 'secrets', secret: { secretName: 'payments-secrets' } }],
				},
			},
		},
	})
	const rolledOut = () =>
		kubectl(
			world.target,
			['-n', tenant.namespace, 'rollout', 'status', 'deployment/reader', `--timeout=${ROLLOUT_S}s`],
			{
				timeoutMs: (ROLLOUT_S + 10) * 1000,
			},
		)
	/** What a program in the pod reads from its mounted files: fingerprints, so that no value is printed. */
	const filesIn = async (pod: string): Promise<Record<string, string>> => {
		const program = `
			const { readFileSync } = require('node:fs'), { createHash } = require('node:crypto')
			const hash = (name) => createHash('sha256').update(readFileSync('${MOUNT_PATH}/' + name)).digest('hex')
			console.log(JSON.stringify(Object.fromEntries(${JSON.stringify(NAMES)}.map((name) => [name, hash(name)]))))`
		return JSON.parse(await inTenant('exec', pod, '--', NODE, '-e', program)) as Record<string, string>
	}
	const fingerprints = () => Object.fromEntries([...values].map(([name, value]) => [name, sha256(value)]))
	const rotate = async (name: string) => {
		const value = world.canary(`outage20-${name}`)
		await world.control.setSecret({ vault: 'dead', name, value })
		values.set(name, value)
	}
	/** Neither the vault nor Entra answers this tenant. The pod stays: it holds the vaults of all test files. */
	const cutOff = async () => {
		for (const match of [{ vault: 'dead' }, { route: 'token', clientId: tenant.clientId }])
			faults.push((await world.control.addFault({ match, action: 'reset' })).id)
		// A token from before would hide that Entra is dead.
		await world.control.revokeTokens({ clientId: tenant.clientId })
	}
	const heal = async () => {
		for (const id of faults.splice(0)) await world.control.removeFault(id)
	}
	const scaleOperator = async (count: string) => {
		// What it printed goes with its pods, and the canary scan comes after all tests.
		const printed = await inOperator('logs', '-l', world.operator.podSelector, '--tail=-1').catch(() => '')
		await mkdir(join(world.folder, 'printed'), { recursive: true })
		await writeFile(join(world.folder, 'printed', `operator-before-${count}-${Date.now()}.txt`), printed)
		await inOperator('scale', 'deployment/azure-secret-binding-operator', `--replicas=${count}`)
		if (count !== '0') {
			await inOperator('rollout', 'status', 'deployment/azure-secret-binding-operator', '--timeout=180s')
			return
		}
		await until(
			'no operator',
			async () => (await podsOf(world.operator.namespace, world.operator.podSelector)).length === 0,
		)
	}
	/** Deletes all pods, as a drained node does; answers those that came instead, when all of them run. */
	const reschedule = async (): Promise<Pod[]> => {
		const before = new Set((await pods()).map(({ metadata }) => metadata.uid))
		await inTenant('delete', 'pods', '-l', 'app=reader', '--wait=false')
		return until(
			`${PODS} new pods that run`,
			async () => {
				const now = (await pods()).filter(({ metadata }) => !before.has(metadata.uid))
				return now.length === PODS && now.every(({ status }) => status.phase === 'Running') ? now : undefined
			},
			{ timeoutMs: ROLLOUT_S * 1000, everyMs: 1_000 },
		)
	}
	const allReadTheirs = async (all: readonly Pod[]) => {
		const read: Record<string, string>[] = []
		for (const { metadata } of all) read.push(await filesIn(metadata.name))
		expect(read).toEqual(Array.from({ length: PODS }, fingerprints))
	}

	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'dead', vault: 'dead' })
		const { spec } = await getObject<{ spec: { replicas: number } }>(world.target, [
			...['-n', world.operator.namespace, 'deployment/azure-secret-binding-operator'],
		])
		replicas = String(spec.replicas)
		for (const name of NAMES) await rotate(name)
		await applyBinding(world, tenant, {
			secrets: NAMES.map((name) => ({ name })),
			spec: { refresh: { interval: '5s', staleAfter: `${STALE_AFTER_MS / 60_000}m` } },
		})
		await waitReady(world, tenant)
		await applyObjects(world.target, [readers()])
		await rolledOut()
	})
	afterAll(async () => {
		await heal()
		await scaleOperator(replicas)
		await tenant?.remove()
	})

	it('20 of 20 pods that are rescheduled start with their secrets', { timeout: 600_000 }, async () => {
		await cutOff()
		await scaleOperator('0')
		const since = Date.now()
		const secret = await getSecret(world, tenant)
		await allReadTheirs(await reschedule())
		// Nobody helped them: neither Entra nor the vault was so much as asked for this tenant.
		const asked = (await world.control.requests({ since })).filter(
			({ vault, clientId }) => vault === 'dead' || clientId === tenant.clientId,
		)
		expect(asked).toEqual([])
		expect(await getSecret(world, tenant)).toEqual(secret)
	})

	it('an operator that comes back to a dead vault keeps the Secret; only staleAfter ends Ready', {
		timeout: 900_000,
	}, async () => {
		const secret = await getSecret(world, tenant)
		await scaleOperator(replicas)
		const since = Date.now()
		await until('looks that fail', async () => {
			const asked = await world.control.requests({ since })
			return asked.some(({ vault, clientId }) => vault === 'dead' || clientId === tenant.clientId)
		})
		const lastCheck = (binding: Binding) => Date.parse(binding.status?.lastCheckTime ?? '')
		const checkedAt = lastCheck(await getBinding(world, tenant))
		// Ready is what it was until the time is over, and Stale after it. Backoff is 60 s at most in the first ten minutes.
		const stale = await waitForBinding(
			world,
			tenant,
			'a Ready that is not True any more',
			(binding) => condition(binding, 'Ready')?.status !== 'True',
			{ timeoutMs: STALE_AFTER_MS + 120_000, everyMs: 1_000 },
		)
		// By the machine's clock, which the cluster shares.
		expect(Date.now() - checkedAt).toBeGreaterThan(STALE_AFTER_MS)
		expect(condition(stale, 'Ready')).toMatchObject({ status: 'False', reason: 'Stale' })
		expect(condition(stale, 'Fresh')).toMatchObject({ status: 'False' })
		expect(stale.status?.secrets?.map(({ version }) => typeof version)).toEqual(NAMES.map(() => 'string'))
		expect(await getSecret(world, tenant)).toEqual(secret)
		await allReadTheirs(await reschedule())
	})

	it('a rotation made meanwhile arrives in all pods once they live again', { timeout: 600_000 }, async () => {
		await rotate('apiKey')
		await heal()
		await waitForBinding(
			world,
			tenant,
			'Ready and Fresh',
			(binding) => condition(binding, 'Fresh')?.status === 'True' && condition(binding, 'Ready')?.status === 'True',
			// The longest backoff of an outage.
			{ timeoutMs: 330_000 },
		)
		for (const { metadata } of await pods()) {
			await until(`the new value in ${metadata.name}`, async () => {
				const files = await filesIn(metadata.name)
				return files['apiKey'] === sha256(values.get('apiKey') ?? '')
			})
		}
		await allReadTheirs(await pods())
	})
})
