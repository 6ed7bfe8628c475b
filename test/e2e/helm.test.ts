// The chart on a real cluster, with a real Helm: from kustomize to it, installed in one line, tested, removed.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OPERATOR_NAMESPACE } from '../images/install.ts'
import { applyBinding, decoded, getSecret, waitForBinding, waitReady } from '../kit/binding.ts'
import {
	CRD,
	documentedFlags,
	type HelmScene,
	leadNodeRole,
	openHelmScene,
	RELEASE,
	withLatePolicies,
} from '../kit/helm.ts'
import { getObject, kubectl } from '../kit/kubectl.ts'
import { deletePod, filesOf, podRuns, sha256, startVolumePod } from '../kit/node-role.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'helm'
const NAMESPACE = ['--namespace', OPERATOR_NAMESPACE]
/** Another release name: what a second team, or the same after a while, would call it. */
const OTHER = 'secrets'

let world: World
let scene: HelmScene
let there = false
let tenant: Tenant

beforeAll(async () => {
	world = await connectWorld()
	const opened = await openHelmScene(world)
	if (!opened) return
	scene = opened
	there = true
	tenant = await createTenant({ ...world, name: 'helm', vault: VAULT })
})
beforeEach(({ skip }) => skip(!there, 'no Go to build Helm with'))
afterAll(async () => {
	await tenant?.remove()
	if (there) await scene.close()
})

const set = (name: string, value: string) => world.control.setSecret({ vault: VAULT, name, value })
const uninstall = (release = RELEASE) => scene.helm('uninstall', release, ...NAMESPACE, '--wait')
/** Sets a new value, and waits until the binding has delivered it. */
async function rotates(name: string): Promise<void> {
	const value = world.canary(`helm-${name}`)
	const { version } = await set(name, value)
	await waitForBinding(world, tenant, 'the new version', (b) => b.status?.secrets?.[0]?.version === version)
	expect(decoded(await getSecret(world, tenant), name)).toBe(value)
}

describe('from kubectl apply -k', () => {
	it('the documented line takes everything over: bindings and Secrets stay, and rotations go on', async () => {
		await set('db', world.canary('helm-first'))
		await applyBinding(world, tenant, { secrets: [{ name: 'db' }] })
		await waitReady(world, tenant)
		const before = await getSecret(world, tenant)
		const flags = documentedFlags('helm upgrade --install').filter((each) => each.startsWith('--') && each !== '--set')
		expect(flags).toEqual(expect.arrayContaining(['--take-ownership', '--force-conflicts', '--wait']))
		const own = flags.filter((each) => each !== '--namespace')
		await scene.helm('upgrade', '--install', RELEASE, scene.chart, ...NAMESPACE, ...own, ...scene.values())
		expect((await getSecret(world, tenant)).metadata.uid).toBe(before.metadata.uid)
		expect((await getSecret(world, tenant)).metadata.resourceVersion).toBe(before.metadata.resourceVersion)
		await rotates('db')
	})

	it('uninstalling leaves bindings and Secrets as they are', async () => {
		const before = await getSecret(world, tenant)
		await uninstall()
		expect(await getSecret(world, tenant)).toEqual(before)
		expect((await kubectl(world.target, ['get', 'asb', '-n', tenant.namespace, '-o', 'name'])).trim()).toContain(
			'payments',
		)
	})
})

describe('into a cluster without it', () => {
	let before: Set<string>
	it('one line installs it, and a binding is Ready', async () => {
		await scene.clear()
		before = await scene.objects()
		const started = performance.now()
		await scene.helm('install', RELEASE, scene.chart, ...NAMESPACE, '--wait', ...scene.values())
		const installed = performance.now()
		await applyBinding(world, tenant, { secrets: [{ name: 'db' }] })
		await waitReady(world, tenant)
		const seconds = (from: number) => ((performance.now() - from) / 1000).toFixed(1)
		process.stdout.write(
			`helm install --wait: ${((installed - started) / 1000).toFixed(1)} s; a binding Ready ${seconds(installed)} s later\n`,
		)
	})

	it('helm test says that it works', async () => {
		const printed = await scene.helm('test', RELEASE, ...NAMESPACE)
		expect(printed).toMatch(/Phase:\s+Succeeded/)
	})

	it('helm test fails where the admission policies are gone', async () => {
		const policy = 'validatingadmissionpolicybinding/azure-secret-binding-secrets'
		const kept = await kubectl(world.target, ['get', policy, '-o', 'yaml'])
		await kubectl(world.target, ['delete', policy])
		try {
			await until('a test that fails', () =>
				scene.helm('test', RELEASE, ...NAMESPACE).then(
					() => false,
					() => true,
				),
			)
			const log = await kubectl(world.target, ['-n', OPERATOR_NAMESPACE, 'logs', 'azure-secret-binding-test'])
			expect(log).toContain('FAIL the admission policies refuse a foreign Secret')
			expect(log).toContain('ok   an operator leads')
		} finally {
			await kubectl(world.target, [
				'-n',
				OPERATOR_NAMESPACE,
				'delete',
				'pod',
				'azure-secret-binding-test',
				'--ignore-not-found',
			])
			await kubectl(world.target, ['create', '-f', '-'], {
				input: kept.replace(/^ {2}(uid|resourceVersion|creationTimestamp):.*\n/gm, ''),
			})
		}
	})

	it('with the node role, a pod mounts a volume', async () => {
		await scene.helm(
			'upgrade',
			RELEASE,
			scene.chart,
			...NAMESPACE,
			'--wait',
			...scene.values(),
			'--set',
			'volume.enabled=true',
		)
		await leadNodeRole(world)
		const spec = { delivery: { type: 'Volume' } }
		await applyBinding(world, tenant, { name: 'volume', secrets: [{ name: 'db' }], spec })
		await startVolumePod(world, tenant, { name: 'mounted', binding: 'volume' })
		await podRuns(world, tenant, 'mounted')
	})

	it('uninstalling while the volume is mounted lets the pod keep its files', async () => {
		await uninstall()
		const value = decoded(await getSecret(world, tenant), 'db')
		expect((await filesOf(world, tenant, 'mounted')).files['db']?.sha256).toBe(sha256(value))
	})

	it('removed, nothing is left but the CRD; Secrets of tenants stay', async () => {
		const left = async () => {
			const now = await scene.objects()
			return { more: [...now].filter((each) => !before.has(each)), gone: [...before].filter((each) => !now.has(each)) }
		}
		const crd = `CustomResourceDefinition /${CRD}`
		await expect.poll(left, { timeout: 90_000, interval: 1_000 }).toEqual({ more: [crd], gone: [] })
		process.stdout.write(`objects before: ${before.size}; after uninstalling: ${before.size + 1}, one more: the CRD\n`)
		await getSecret(world, tenant)
	})

	it('under another release name it is installed over the CRD that stayed, though the policies come 20 s late', async () => {
		const args = ['install', OTHER, scene.chart, ...NAMESPACE, ...scene.values(), '--set', 'volume.enabled=true']
		await expect(scene.helm(...args)).rejects.toThrow('invalid ownership metadata')
		await scene.helm('uninstall', OTHER, ...NAMESPACE, '--ignore-not-found')
		const taking = [...args, '--take-ownership', '--force-conflicts', '--wait']
		expect(await withLatePolicies(world, scene, ...taking)).toContain('deployed')
		const { items } = await getObject<{ items: { status: { containerStatuses: { restartCount: number }[] } }[] }>(
			world.target,
			['-n', OPERATOR_NAMESPACE, 'pods', '-l', world.operator.podSelector],
		)
		expect(items.flatMap(({ status }) => status.containerStatuses.map((each) => each.restartCount))).toEqual([0])
		await rotates('db')
	})

	it('the node role is back: the pod that was mounted ends; then, in the documented order, the release', async () => {
		await deletePod(world, tenant, 'mounted')
		await uninstall(OTHER)
	})
})
