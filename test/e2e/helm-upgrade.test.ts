// Twenty bindings and their pods while the operator below them is upgraded from the chart before, rolled back, upgraded again and
// restored from a backup.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OPERATOR_NAMESPACE } from '../images/install.ts'
import { type HelmScene, openHelmScene, PREVIOUS_CHART, RELEASE, withLatePolicies } from '../kit/helm.ts'
import { applyObjects, getObject, kubectl } from '../kit/kubectl.ts'
import { bindingOf, createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { digestOf, startWatchingPods, statesOf, watchingPods } from '../kit/watching-pods.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'upgrade'
const NAMESPACE = ['--namespace', OPERATOR_NAMESPACE]
const NAMES = Array.from({ length: 20 }, (_, i) => `b${i}`)
/** Bindings whose secret changes while the operator is replaced. */
const ROTATED = NAMES.slice(0, 5)

interface Listed {
	metadata: { name: string; resourceVersion: string; uid: string }
	data?: Record<string, string>
}

let world: World
let scene: HelmScene
let there = false
let tenant: Tenant
/** The present value of each secret. */
const values = new Map<string, string>()

beforeAll(async () => {
	world = await connectWorld()
	const opened = await openHelmScene(world)
	if (!opened) return
	scene = opened
	there = true
	// The chart grants.
	tenant = await createTenant({ ...world, name: 'upgrade', vault: VAULT, grant: false })
	await scene.clear()
})
beforeEach(({ skip }) => skip(!there, 'no Go to build Helm with'))
afterAll(async () => {
	await tenant?.remove()
	if (there) await scene.close()
})

const set = async (name: string) => {
	const value = world.canary(`upgrade-${name}`)
	await world.control.setSecret({ vault: VAULT, name, value })
	values.set(name, value)
}
const filesOf = (name: string) => digestOf({ key: values.get(name) ?? '' })
const secrets = async () => {
	const { items } = await getObject<{ items: Listed[] }>(world.target, ['-n', tenant.namespace, 'secrets'])
	return new Map(items.map((each) => [each.metadata.name, each]))
}
const allReady = () =>
	kubectl(world.target, ['-n', tenant.namespace, 'wait', 'asb', '--all', '--for=condition=Ready', '--timeout=120s'])
const delivered = (names: readonly string[]) =>
	until(`the values of ${names.join()} in Secrets`, async () => {
		const present = await secrets()
		const has = (name: string) => Buffer.from(present.get(name)?.data?.['key'] ?? '', 'base64').toString()
		return names.every((name) => has(name) === values.get(name))
	})
/** Bindings as a backup has them: without status, and without what the API server gives. */
const bindings = () =>
	NAMES.map((name) =>
		bindingOf(tenant, {
			name,
			secrets: [{ name: 'key', objectName: name }],
			spec: { delivery: { type: 'Secret', secret: { name } } },
		}),
	)
/** `tenants` of the chart, so that the release grants what the namespace would. */
const granted = (tag?: string) => [...scene.values(tag), '--set', `tenants={${tenant.namespace}}`]

/** Milliseconds between two requests to the vault, at most, from `since` to now. */
async function longestGap(since: number): Promise<number> {
	const at = (await world.control.requests({ since })).filter((each) => each.vault === VAULT).map((each) => each.at)
	return [...at, Date.now()].reduce((gap, time, i, all) => Math.max(gap, time - (all[i - 1] ?? since)), 0)
}

/** Replaces the operator by `work` while secrets change, and counts what pods and Secrets saw. */
async function unnoticed(title: string, work: () => Promise<unknown>): Promise<void> {
	const [podsBefore, secretsBefore] = [await watchingPods(world, tenant), await secrets()]
	const statesBefore = await statesOf(world, tenant)
	const since = Date.now()
	const [, ...rotated] = await Promise.all([work(), ...ROTATED.map(set)])
	const replaced = Date.now() - since
	await delivered(ROTATED)
	const gap = await longestGap(since)
	await until('the new values in the pods', async () => {
		const states = await statesOf(world, tenant)
		return ROTATED.every((name) => states.get(name)?.at(-1) === filesOf(name))
	})
	const [pods, present, states] = [await watchingPods(world, tenant), await secrets(), await statesOf(world, tenant)]
	const quiet = NAMES.filter((name) => !ROTATED.includes(name))
	const version = (of: Map<string, Listed>, name: string) => of.get(name)?.metadata.resourceVersion
	const counts = {
		restarts: pods.filter((pod) => !podsBefore.some((b) => b.uid === pod.uid && b.restarts === pod.restarts)).length,
		'Secrets written without need': quiet.filter((n) => version(present, n) !== version(secretsBefore, n)).length,
		'pods that saw other bytes': quiet.filter((n) => states.get(n)?.length !== statesBefore.get(n)?.length).length,
		// The value before and the new one: nothing between, and none left out.
		'rotations missed': ROTATED.filter((n) => states.get(n)?.length !== (statesBefore.get(n)?.length ?? 0) + 1).length,
	}
	process.stdout.write(
		`${title}: ${(replaced / 1000).toFixed(1)} s; ${rotated.length} rotations meanwhile; longest gap without a poll ` +
			`${(gap / 1000).toFixed(1)} s (interval 5 s); ${JSON.stringify(counts)}\n`,
	)
	expect(pods).toHaveLength(NAMES.length)
	// Says why a pod was started anew, if one was.
	if (counts.restarts > 0) expect(pods).toEqual(podsBefore)
	expect(Object.values(counts)).toEqual([0, 0, 0, 0])
}

describe('twenty bindings and their pods', () => {
	it('run with the chart before, which grants their namespace', async () => {
		await Promise.all(NAMES.map(set))
		await scene.helm('install', RELEASE, PREVIOUS_CHART, ...NAMESPACE, '--wait', ...granted())
		await applyObjects(world.target, bindings())
		await allReady()
		await startWatchingPods(world, tenant, NAMES)
		await until('what each pod sees', async () => (await statesOf(world, tenant)).size === NAMES.length)
	})

	it('do not notice an upgrade, and the CRD is the new one', async () => {
		const crd = () => kubectl(world.target, ['get', 'crd', 'azuresecretbindings.secrets.purista.dev', '-o', 'yaml'])
		expect(await crd()).not.toContain('offlineFor')
		await unnoticed('upgrade from the chart before', () =>
			scene.helm('upgrade', RELEASE, scene.chart, ...NAMESPACE, '--wait', ...granted(scene.nextTag)),
		)
		expect(await crd()).toContain('offlineFor')
	})

	it('do not notice a rollback', async () => {
		await unnoticed('rollback', () => scene.helm('rollback', RELEASE, '1', ...NAMESPACE, '--wait'))
	})

	it('do not notice an upgrade whose policies come 20 s late', async () => {
		await unnoticed('upgrade, policies 20 s late', () =>
			withLatePolicies(
				world,
				scene,
				'upgrade',
				RELEASE,
				scene.chart,
				...NAMESPACE,
				'--wait',
				...granted(scene.nextTag),
			),
		)
	})

	it('come back from a backup without status: Secrets of the backup are adopted as they are', async () => {
		const saved = await secrets()
		const backup = [...saved.values()].map((each) => {
			const { metadata, ...rest } = each as Listed & { metadata: { labels?: object; annotations?: object } }
			const { name, labels = {}, annotations = {} } = metadata
			return { ...rest, metadata: { namespace: tenant.namespace, name, labels, annotations } }
		})
		// Orphaned, as a restore into another cluster finds them: nothing but labels says whose they are.
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'asb', '--all', '--cascade=orphan'])
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'secrets', ...NAMES])
		await applyObjects(world.target, [...backup, ...bindings()])
		await allReady()
		const restored = await secrets()
		expect(NAMES.filter((n) => restored.get(n)?.data?.['key'] !== saved.get(n)?.data?.['key'])).toEqual([])
		await Promise.all(ROTATED.map(set))
		await delivered(ROTATED)
	})
})
