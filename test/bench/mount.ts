import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createProgress } from '../cluster/progress.ts'
import { applyBinding, waitReady } from '../kit/binding.ts'
import { inNodeRole, installNodeRole, metricsOfNodeRole, removeNodeRole } from '../kit/node-role.ts'
import { seededRandom } from '../kit/random.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { openWorld, type World } from '../kit/world.ts'
import type { Bench } from './cli.ts'
import { type PodSeen, podsSeen, ROTATED, removePods, startPods, type Way } from './mount-pods.ts'
import { quantile } from './numbers.ts'
import { parseMetrics, sumOf } from './prometheus.ts'

/** The binding's interval, in ms; the shortest that the resource allows. */
const INTERVAL = 5_000
/** What starting or a rotation takes, in ms, the node role has given back by then. */
const SETTLE = 10_000
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
		'50 pods at once with 20 secrets: time to files by Volume, by Secret and without, vault calls, rotation, RSS (--pods N, --rotations N, --seed N, --way plain|secret|volume)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				pods: { type: 'string', default: '50' },
				secrets: { type: 'string', default: '20' },
				rotations: { type: 'string', default: '10' },
				seed: { type: 'string', default: '1' },
				way: { type: 'string', multiple: true, default: WAYS.map(({ name }) => name) },
			},
		})
		const [pods, secrets] = [Number(values.pods), Number(values.secrets)]
		const { world } = await openWorld({ progress: createProgress(), holder: 'npm run bench', vaults: [VAULT] })
		await installNodeRole(world)
		await sleep(SETTLE)
		console.log(`node role idle: ${await residentMb(world)} (bar 75)`)
		const tenant = await createTenant({ ...world, name: 'mount', vault: VAULT })
		try {
			await prepare(world, tenant, secrets)
			for (const way of WAYS.filter(({ name }) => values.way.includes(name))) {
				const before = await ownCalls(world)
				const asked = await startPods(world, tenant, way, pods, secrets)
				const seen = await podsSeen(world, tenant, way, pods, ({ complete }) => complete)
				printStarts(way, asked, seen)
				if (way.name === 'volume') {
					await printCalls(world, tenant, before, asked, Math.max(...seen.map(({ startedAt }) => startedAt)))
					await rotate(world, tenant, way, pods, Number(values.rotations), seededRandom(Number(values.seed)))
					await sleep(SETTLE)
					console.log(`node role with ${pods} volumes: ${await residentMb(world)} (bar 90)`)
				}
				console.log(
					`  load of the machine ${loadavg()
						.map((each) => each.toFixed(1))
						.join(' ')}`,
				)
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

/** What the node role says that it asked so far: operator and pods are one client, so the vault's log does not tell them apart. */
async function ownCalls(world: World) {
	const samples = parseMetrics(await metricsOfNodeRole(world))
	return {
		reads: sumOf(samples, 'asb_vault_calls_total', { kind: 'get', result: 'ok' }),
		tokens: sumOf(samples, 'asb_token_calls_total', { issuer: 'entra', result: 'ok' }),
	}
}

async function printCalls(
	world: World,
	tenant: Tenant,
	before: Awaited<ReturnType<typeof ownCalls>>,
	since: number,
	until: number,
): Promise<void> {
	const own = await ownCalls(world)
	const all = (await world.control.requests({ since })).filter((each) => each.clientId === tenant.clientId)
	const reads = all.filter(({ route, status, at }) => route === 'getSecret' && status === 200 && at <= until)
	const tokens = all.filter(({ kind, status, at }) => kind === 'token' && status === 200 && at <= until)
	const most = Math.max(0, ...[...Map.groupBy(reads, ({ secret }) => secret).values()].map((each) => each.length))
	console.log(
		`  vault: ${reads.length} reads of ${new Set(reads.map(({ secret }) => secret)).size} secrets (at most ${most} of one; bar 1), ${tokens.length} tokens; of these the node role's: ${own.reads - before.reads} reads, ${own.tokens - before.tokens} tokens (bar 1)`,
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
	const [total, rest, node]: [number[], number[], number[]] = [[], [], []]
	const watching = new AbortController()
	const told = await timesOfStatus(world, tenant, watching.signal)
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
		const status = told.find((at) => at >= (found ?? written))
		if (status !== undefined) node.push(...swapped.map((at) => at - status))
		const after = (at: number | undefined) => (at === undefined ? '?' : (at - written).toFixed(0))
		console.log(
			`  rotation ${rotation}: list after ${after(found)} ms, status seen after ${after(status)}, files after ${after(first)} to ${after(Math.max(...swapped))} ms`,
		)
	}
	watching.abort()
	row('rotation: vault write → files in all pods', total)
	row('  without the poll wait: list → files (bar 1 s)', rest)
	row("  of it the node role's: status seen here → files", node)
}

/** When this process sees that the status of the binding tells of another version: as a node does, and as late as a busy machine makes it. */
async function timesOfStatus(world: World, tenant: Tenant, signal: AbortSignal): Promise<readonly number[]> {
	const times: number[] = []
	const path = `/apis/secrets.purista.dev/v1alpha1/namespaces/${tenant.namespace}/azuresecretbindings`
	const query = { watch: '1', fieldSelector: `metadata.name=${BINDING}` }
	const lines = await world.api.stream({ path, query, signal, inactivityMs: 3_600_000 })
	const read = async () => {
		let before: string | undefined
		for await (const line of lines) {
			const { object } = JSON.parse(line) as { object: { status?: { secrets?: { name: string; updated?: string }[] } } }
			const updated = object.status?.secrets?.find(({ name }) => name === ROTATED)?.updated
			if (before !== undefined && updated !== before) times.push(Date.now())
			before = updated
		}
	}
	read().catch((error: unknown) => {
		if (!signal.aborted) console.log(`  the watch of the binding ended: ${String(error)}`)
	})
	return times
}

/** Resident memory of the node role, and its peak so far, as the kernel counts them. */
async function residentMb(world: World): Promise<string> {
	const script = `process.stdout.write(require('node:fs').readFileSync('/proc/1/status', 'utf8'))`
	const status = await inNodeRole(world, script)
	const mb = (field: string) => (Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024).toFixed(0)
	return `${mb('VmRSS')} MB resident, at most ${mb('VmHWM')}`
}
