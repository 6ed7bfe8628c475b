import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createProgress } from '../cluster/progress.ts'
import { applyBinding, waitReady } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { installNodeRole, NODE_NAMESPACE, removeNodeRole } from '../kit/node-role.ts'
import { seededRandom } from '../kit/random.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { openWorld, type World } from '../kit/world.ts'
import type { Bench } from './cli.ts'
import { type PodSeen, podsSeen, ROTATED, removePods, startPods, type Way } from './mount-pods.ts'
import { quantile } from './numbers.ts'

/** The binding's interval, in ms; the shortest that the resource allows. */
const INTERVAL = 5_000
const VAULT = 'payments'
const BINDING = 'volumes'
const SECRET_NAME = 'payments-secrets'

const WAYS: readonly Way[] = [
	{ name: 'plain', volume: { emptyDir: {} }, hasFiles: false },
	{ name: 'secret', volume: { secret: { secretName: SECRET_NAME } }, hasFiles: true },
	{
		name: 'volume',
		volume: { csi: { driver: 'secrets.purista.dev', readOnly: true, volumeAttributes: { binding: BINDING } } },
		hasFiles: true,
	},
]

/**
 * Many pods at once on one node: how long until each has its files, by a memory volume, by a Secret and with no secrets at all; what
 * the volumes ask of the vault; how long a rotation takes to all of them; and what the node role has resident.
 *
 * All on one machine, so on one clock.
 */
export const bench: Bench = {
	title:
		'50 pods at once with 20 secrets: time to files by Volume, by Secret and without, vault calls, rotation, RSS (--pods N, --rotations N, --seed N)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				pods: { type: 'string', default: '50' },
				secrets: { type: 'string', default: '20' },
				rotations: { type: 'string', default: '10' },
				seed: { type: 'string', default: '1' },
			},
		})
		const [pods, secrets] = [Number(values.pods), Number(values.secrets)]
		const { world } = await openWorld({ progress: createProgress(), holder: 'npm run bench', vaults: [VAULT] })
		await installNodeRole(world)
		// What starting takes is given back by then.
		await sleep(10_000)
		console.log(`node role idle: ${await residentMb(world)} MB resident (bar 75)`)
		const tenant = await createTenant({ ...world, name: 'mount', vault: VAULT })
		try {
			await prepare(world, tenant, secrets)
			for (const way of WAYS) {
				// A token and its answers of before would be shared.
				const asked = await startPods(world, tenant, way, pods, secrets)
				const seen = await podsSeen(world, tenant, way, pods, ({ complete }) => complete)
				printStarts(way, asked, seen)
				if (way.name === 'volume') {
					await printCalls(world, tenant, asked, Math.max(...seen.map(({ startedAt }) => startedAt)))
					await rotate(world, tenant, way, pods, Number(values.rotations), seededRandom(Number(values.seed)))
					console.log(`node role with ${pods} volumes: ${await residentMb(world)} MB resident (bar 90)`)
				}
				await removePods(world, tenant)
			}
		} finally {
			await removePods(world, tenant)
			await tenant.remove()
			await removeNodeRole(world)
			await world.close()
		}
	},
}

/** Secrets in the vault, and a binding for each way. */
async function prepare(world: World, tenant: Tenant, count: number): Promise<void> {
	const names = Array.from({ length: count }, (_, i) => `s-${i}`)
	for (const name of names) await world.control.setSecret({ vault: VAULT, name, value: world.canary(name) })
	const secrets = names.map((name) => ({ name }))
	await applyBinding(world, tenant, { secrets, spec: { delivery: { type: 'Secret', secret: { name: SECRET_NAME } } } })
	await applyBinding(world, tenant, { name: BINDING, secrets, spec: { delivery: { type: 'Volume' } } })
	await waitReady(world, tenant)
	// What was written within the last seconds is read once more.
	await sleep(INTERVAL)
}

const row = (name: string, values: readonly number[]) => {
	const at = (q: number) => (quantile(values, q) / 1000).toFixed(2).padStart(7)
	console.log(`  ${name.padEnd(52)} p50 ${at(0.5)} s   p99 ${at(0.99)} s   max ${at(1)} s`)
}

function printStarts({ name }: Way, asked: number, seen: readonly PodSeen[]): void {
	console.log(`\n${seen.length} pods at once, ${name}`)
	const files = seen.map(({ filesAt }) => filesAt).filter((at) => at !== undefined)
	if (files.length > 0)
		row(
			'pods asked for → files there',
			files.map((at) => at - asked),
		)
	row(
		'pods asked for → program starts with its files',
		seen.map(({ startedAt }) => startedAt - asked),
	)
}

async function printCalls(world: World, tenant: Tenant, since: number, until: number): Promise<void> {
	const all = (await world.control.requests({ since })).filter((each) => each.clientId === tenant.clientId)
	const reads = all.filter(({ route, status, at }) => route === 'getSecret' && status === 200 && at <= until)
	const tokens = all.filter(({ kind, status, at }) => kind === 'token' && status === 200 && at <= until)
	const most = Math.max(0, ...[...Map.groupBy(reads, ({ secret }) => secret).values()].map((each) => each.length))
	console.log(
		`  vault: ${reads.length} reads of ${new Set(reads.map(({ secret }) => secret)).size} secrets (at most ${most} of one), ${tokens.length} tokens, the operator's among them`,
	)
}

/**
 * 1. Wait U(0, interval), note the time, write a new version.
 * 2. The operator's list that shows it begins what is measured: waiting for it is the poll, and chance.
 */
async function rotate(
	world: World,
	tenant: Tenant,
	way: Way,
	pods: number,
	rotations: number,
	random: () => number,
): Promise<void> {
	const [total, rest]: [number[], number[]] = [[], []]
	for (let rotation = 0; rotation < rotations; rotation++) {
		await sleep(random() * INTERVAL)
		const written = Date.now()
		const { version } = await world.control.setSecret({ vault: VAULT, name: ROTATED, value: world.canary('rotated') })
		await sleep(INTERVAL + 1_000)
		const seen = await podsSeen(world, tenant, way, pods, ({ swaps }) => swaps.has(version))
		const swapped = seen.map(({ swaps }) => swaps.get(version) ?? Number.NaN)
		const log = (await world.control.requests({ since: written })).filter((each) => each.clientId === tenant.clientId)
		const first = Math.min(...swapped)
		const found = log.findLast(({ route, at }) => route === 'listSecrets' && at <= first)?.at
		total.push(...swapped.map((at) => at - written))
		if (found !== undefined) rest.push(...swapped.map((at) => at - found))
		console.log(
			`  rotation ${rotation}: list after ${found === undefined ? '?' : found - written} ms, files after ${(first - written).toFixed(0)} to ${(Math.max(...swapped) - written).toFixed(0)} ms`,
		)
	}
	row('rotation: vault write → files in all pods', total)
	row('  without the poll wait: list → files (bar 1 s)', rest)
}

/** Resident memory of the node role, as the kernel counts it. */
async function residentMb(world: World): Promise<string> {
	const script = `console.log(/VmRSS:\\s+(\\d+)/.exec(require('node:fs').readFileSync('/proc/1/status', 'utf8'))[1])`
	const where = ['-n', NODE_NAMESPACE, 'exec', 'daemonset/azure-secret-binding-node']
	const kb = await kubectl(world.target, [...where, '--', '/usr/local/bin/node', '-e', script])
	return (Number(kb) / 1024).toFixed(0)
}
