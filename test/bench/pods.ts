import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createProgress } from '../cluster/progress.ts'
import { applyBinding, waitReady } from '../kit/binding.ts'
import { applyObjects, kubectl } from '../kit/kubectl.ts'
import { seededRandom } from '../kit/random.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { openWorld, type World } from '../kit/world.ts'
import type { Bench } from './cli.ts'
import { quantile } from './numbers.ts'
import { lookThatFound, secretPatchedAt } from './trace.ts'

/** The binding's interval, in ms; the shortest that the resource allows. */
const INTERVAL = 5_000
const VAULT = 'payments'
const SECRET = 'db'
const SECRET_NAME = 'payments-secrets'
const WATCHER = 'watcher'
const MOUNT_PATH = '/var/run/secrets/payments'

interface Case {
	readonly refreshPods: boolean
	readonly rotations: number
	/** Asking fifty logs costs the kubelet something, and the times are in them however late: not before most have it. */
	readonly firstAskMs: number
	readonly title: string
}

/** One rotation in one pod, ms. */
interface Seen {
	readonly rotation: number
	/** vault write to the swap of the mounted directory */
	readonly total: number
	/** Secret written to the swap: pod refresh, its queue, kubelet; undefined without an audit log */
	readonly lastHop: number | undefined
}

/**
 * Vault write to the file in the pod, in many pods of one node, with and without `refreshPods`.
 *
 * 1. Wait U(0, interval), note the time, write a new version.
 * 2. Each pod prints the change time of its `..data` link with the version that came; wait until all have printed this one.
 * 3. The audit log gives the end of the Secret's patch.
 *
 * All on one machine, so on one clock.
 */
export const bench: Bench = {
	title:
		'vault write to the file in 50 pods, with and without refreshPods (--pods N, --rotations N with, --plain N without, --seed N)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				pods: { type: 'string', default: '50' },
				rotations: { type: 'string', default: '20' },
				// Each takes the kubelet 60 to 90 s.
				plain: { type: 'string', default: '5' },
				seed: { type: 'string', default: '1' },
			},
		})
		const random = seededRandom(Number(values.seed))
		const pods = Number(values.pods)
		const cases: Case[] = [
			{
				refreshPods: true,
				rotations: Number(values.rotations),
				firstAskMs: INTERVAL + 5_000,
				title: 'with refreshPods',
			},
			{ refreshPods: false, rotations: Number(values.plain), firstAskMs: 60_000, title: 'without: the kubelet alone' },
		]
		const { world } = await openWorld({ progress: createProgress(), holder: 'npm run bench', vaults: [VAULT] })
		try {
			for (const each of cases) {
				if (each.rotations === 0) continue
				const tenant = await createTenant({ ...world, name: 'pods', vault: VAULT })
				try {
					print(each, pods, await rotate(world, tenant, each, pods, random))
				} finally {
					await tenant.remove()
				}
			}
		} finally {
			await world.close()
		}
	},
}

async function rotate(world: World, tenant: Tenant, of: Case, pods: number, random: () => number): Promise<Seen[]> {
	const write = () => world.control.setSecret({ vault: VAULT, name: SECRET, value: world.canary('pods') })
	await write()
	const delivery = { type: 'Secret', secret: { name: SECRET_NAME }, refreshPods: of.refreshPods }
	await applyBinding(world, tenant, { secrets: [{ name: SECRET }], spec: { delivery } })
	await waitReady(world, tenant)
	await applyObjects(world.target, watcherObjects(tenant, world.images.service, pods))
	// Fifty starts on one node take a minute or two; a busy machine takes longer.
	const rollout = ['rollout', 'status', `deployment/${WATCHER}`, '--timeout=900s']
	await kubectl(world.target, ['-n', tenant.namespace, ...rollout], { timeoutMs: 910_000 })
	const all: Seen[] = []
	for (let rotation = 0; rotation < of.rotations; rotation += 1) {
		await sleep(random() * INTERVAL)
		const written = Date.now()
		const { version } = await write()
		await sleep(of.firstAskMs)
		const swaps = await until(
			`rotation ${rotation} in ${pods} pods`,
			async () => {
				const found = await swapsTo(world, tenant, version, pods)
				return found.length === pods && found
			},
			// Twice the 90 s that a kubelet takes at most, and room for a busy machine.
			{ timeoutMs: 300_000, everyMs: 5_000 },
		)
		const patched = secretPatchedAt(world.auditLog, tenant.namespace, { written, swapped: Math.min(...swaps) })
		all.push(
			...swaps.map((at) => ({
				rotation,
				total: at - written,
				lastHop: patched === undefined ? undefined : at - patched,
			})),
		)
		const log = (await world.control.requests({ since: written })).filter((each) => each.clientId === tenant.clientId)
		const polled = patched === undefined ? undefined : lookThatFound(log, patched)
		console.log(
			`${of.title}, rotation ${rotation}: look after ${text(polled, written)}, Secret after ${text(patched, written)}, pods after ${text(Math.min(...swaps), written)} to ${text(Math.max(...swaps), written)}`,
		)
	}
	return all
}

const text = (at: number | undefined, since: number) => (at === undefined ? '?' : `${(at - since).toFixed(0)} ms`)

/** When each pod swapped this version in, ms since the epoch; of those that have. */
async function swapsTo(world: World, tenant: Tenant, version: string, pods: number): Promise<number[]> {
	const printed = await kubectl(world.target, [
		...['-n', tenant.namespace, 'logs', '-l', `app=${WATCHER}`, '--prefix', '--tail=-1', `--max-log-requests=${pods}`],
	])
	const found = new Map<string, number>()
	for (const line of printed.split('\n')) {
		const [prefix = '', json] = line.split('] ', 2)
		if (!json?.startsWith('{')) continue
		const seen = JSON.parse(json) as { swappedAt: number; version: string }
		if (seen.version === version) found.set(prefix, seen.swappedAt)
	}
	return [...found.values()]
}

/** The project's service image for its node alone: the service itself, fifty times, would need too much of one machine. */
function watcherObjects(tenant: Tenant, image: string, replicas: number): object[] {
	const { namespace } = tenant
	const labels = { app: WATCHER }
	const script = readFileSync(join(import.meta.dirname, 'watcher.mjs'), 'utf8')
	const container = {
		name: WATCHER,
		image,
		imagePullPolicy: 'IfNotPresent',
		command: ['/usr/local/bin/node', '/watcher/watcher.mjs', MOUNT_PATH, SECRET],
		// Scheduled by what one was measured to have resident (50 MB), a little of a CPU each.
		resources: { requests: { memory: '50Mi', cpu: '5m' } },
		securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
		volumeMounts: [
			{ name: 'secrets', mountPath: MOUNT_PATH, readOnly: true },
			{ name: WATCHER, mountPath: '/watcher', readOnly: true },
		],
	}
	return [
		{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: WATCHER }, data: { 'watcher.mjs': script } },
		{
			apiVersion: 'apps/v1',
			kind: 'Deployment',
			metadata: { namespace, name: WATCHER, labels },
			spec: {
				replicas,
				selector: { matchLabels: labels },
				// The default of ten minutes is for a handful of pods.
				progressDeadlineSeconds: 900,
				template: {
					metadata: { labels },
					spec: {
						automountServiceAccountToken: false,
						// As process 1 it hears no SIGTERM.
						terminationGracePeriodSeconds: 1,
						securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
						containers: [container],
						volumes: [
							{ name: 'secrets', secret: { secretName: SECRET_NAME } },
							{ name: WATCHER, configMap: { name: WATCHER } },
						],
					},
				},
			},
		},
	]
}

function print({ title }: Case, pods: number, all: readonly Seen[]): void {
	const row = (name: string, values: readonly number[]) => {
		const at = (q: number) => (quantile(values, q) / 1000).toFixed(1).padStart(6)
		console.log(`  ${name.padEnd(44)} p50 ${at(0.5)} s   p99 ${at(0.99)} s   max ${at(1)} s`)
	}
	const rotations = Map.groupBy(all, ({ rotation }) => rotation)
	const last = [...rotations.values()].map((seen) => Math.max(...seen.map(({ total }) => total)))
	const lastHop = all.map((each) => each.lastHop).filter((ms) => ms !== undefined)
	console.log(`\n${title}: ${rotations.size} rotations x ${pods} pods, interval ${INTERVAL} ms`)
	row(
		'vault write → file in the pod',
		all.map(({ total }) => total),
	)
	row('  without the poll: Secret written → file', lastHop)
	row('vault write → file in the last pod', last)
}
