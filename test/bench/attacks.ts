// `npm run bench -- tenants`: what one tenant notices of others who make mistakes or attack.
import { randomUUID } from 'node:crypto'
import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readKubeconfig } from '../../operator/src/cluster/kubeconfig.ts'
import { LEASE_DURATION_MS, RETRY_PERIOD_MS } from '../../operator/src/cluster/lease.ts'
import { PFX } from '../../operator/src/pki/testing/fixtures.ts'
import { openStage, type Stage } from '../integration/operator/stage.ts'
import { until } from '../kit/until.ts'
import { bundled, type Child, type Program, startChild } from './child.ts'
import type { OperatorChild } from './child-operator.ts'
import type { Bench } from './cli.ts'
import { createNeighbour, type Neighbour, type NeighbourSpec } from './neighbour.ts'
import { quantile } from './numbers.ts'
import { parseMetrics, sumOf } from './prometheus.ts'
import { apiOf, type Usage } from './reach.ts'
import { inParallel } from './tenants.ts'
import { type Attack, attacksOf } from './worst-neighbours.ts'

/** Large bindings are much work for an API server. */
const WRITERS = 2
/** The victim's interval: the shortest that the resource allows. */
const INTERVAL_MS = 5_000
/** The bars: what others may cost the victim, in intervals, and the main thread, ms. */
const BAR_INTERVALS = 2
const BAR_LOOP_MS = 100
/** How long a rotation is waited for before it counts as lost. */
const PATIENCE_MS = 120_000

export const bench: Bench = {
	title:
		'a tenant beside others who send the worst values, follow far too much, hang, fill 300 namespaces, or make 170 bindings a second: event loop, lease, gap and rotation, beside a quiet run (--only NAME,… --seconds N --tenants N --namespaces N --flag NODE-FLAG)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				only: { type: 'string' },
				seconds: { type: 'string', default: '60' },
				tenants: { type: 'string', default: '50' },
				namespaces: { type: 'string', default: '300' },
				flag: { type: 'string', multiple: true, default: [] },
			},
		})
		const only = values.only?.split(',')
		const operator = await bundled('child-operator.ts', values.flag)
		try {
			for (const attack of attacksOf(Number(values.tenants), Number(values.namespaces))) {
				if (only && !only.includes(attack.name)) continue
				await measure(attack, operator, Number(values.seconds) * 1_000)
			}
		} finally {
			operator.remove()
		}
	},
}

const VICTIM: NeighbourSpec = {
	name: 'victim',
	secrets: () => [
		{ name: 'db', value: randomUUID() },
		{ name: 'shop', value: PFX.ecModern, contentType: 'application/x-pkcs12' },
	],
	bindings: [
		{
			secrets: [{ name: 'db' }],
			certificates: [{ objectName: 'shop', cert: 'shop.crt', key: 'shop.key' }],
		},
	],
}

/**
 * 1. The victim alone is Ready with an operator that is a process of its own.
 * 2. The others come, and do what they do until the end.
 * 3. Meanwhile the victim's values rotate, and its vault's log, the lease and the operator's event loop are watched.
 */
async function measure(attack: Attack, operator: Program, forMs: number): Promise<void> {
	const stage = await openStage({ name: 'tenants', federate: false, role: false })
	const neighbours: Neighbour[] = []
	let child: Child | undefined
	const stop = new AbortController()
	try {
		const { kubeconfig, context } = stage.target
		const { port, caPem } = stage.emulator
		child = startChild(operator)
		const options: OperatorChild = {
			api: await apiOf(readKubeconfig(kubeconfig, context)),
			emulator: { port, caPem },
			home: stage.namespace,
			identity: randomUUID(),
		}
		const reached = await child.ask<{ port: number }>(JSON.stringify(options))
		const victim = await createNeighbour(stage, VICTIM, INTERVAL_MS)
		neighbours.push(victim)
		await until('the victim to be delivered', async () => (await victim.files(0))['db'], { timeoutMs: PATIENCE_MS })
		const create = async (spec: NeighbourSpec) => void neighbours.push(await createNeighbour(stage, spec, INTERVAL_MS))
		await inParallel(attack.neighbours, create, WRITERS)
		const others = neighbours.slice(1)
		await child.ask('loop')
		const began = Date.now()
		const lease = watchLease(stage, stop.signal)
		const doing = attack.go(stage, others, stop.signal)
		const rotations = await rotate(victim, forMs)
		const loop = await child.ask<{ p99: number; max: number }>('loop')
		const usage = await child.ask<Usage>('usage')
		const samples = parseMetrics(await (await fetch(`http://127.0.0.1:${reached.port}/metrics`)).text())
		stop.abort(new Error('measured'))
		const did = await doing
		const gap = await gapOf(stage, victim.vault, began)
		const { missed, longestMs } = await lease
		const s = (ms: number) => `${(ms / 1000).toFixed(1)} s`
		const bar = (kept: boolean) => (kept ? 'kept' : 'NOT KEPT')
		const worst = (of: readonly number[]) => Math.max(...of)
		console.log(`\n${attack.title}${did ? ` (${did})` : ''}`)
		console.log(
			`  event loop          p99 ${loop.p99.toFixed(0)} ms, longest ${loop.max.toFixed(0)} ms (bar ${BAR_LOOP_MS}: ${bar(loop.p99 < BAR_LOOP_MS)})`,
		)
		console.log(
			`  lease renewals      ${missed} missed, longest pause ${s(longestMs)} of ${s(LEASE_DURATION_MS)} (${bar(longestMs < LEASE_DURATION_MS)})`,
		)
		console.log(
			`  victim's longest gap between polls  ${s(gap)} = ${(gap / INTERVAL_MS).toFixed(1)} intervals (bar ${BAR_INTERVALS}: ${bar(gap <= BAR_INTERVALS * INTERVAL_MS)})`,
		)
		for (const what of ['value', 'certificate'] as const) {
			const all = rotations[what]
			console.log(
				`  victim's rotations  ${what}: ${all.length}, median ${s(quantile(all, 0.5))}, longest ${s(worst(all))} (bar ${BAR_INTERVALS} intervals: ${bar(worst(all) <= BAR_INTERVALS * INTERVAL_MS)})`,
			)
		}
		const late = ['workers', 'vault'].map((by) => `${by} ${sumOf(samples, 'asb_late_polls_total', { by })}`)
		console.log(
			`  told as late        ${late.join(', ')} polls; RSS at most ${usage.maxRss} MB, CPU of the operator ${usage.cpu.toFixed(1)} s`,
		)
		// Others on the machine make times longer than the operator does: beyond its number of cores they say little.
		console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}, on ${availableParallelism()} cores`)
	} finally {
		stop.abort(new Error('the bench ends'))
		await child?.end().catch((error: unknown) => console.log(`  THE OPERATOR ENDED: ${String(error)}`))
		await inParallel(neighbours, (each) => each.remove())
		await stage.close()
	}
}

/** Writes new versions of the victim's values again and again; milliseconds until they were in its Secret. */
async function rotate(victim: Neighbour, forMs: number): Promise<Record<'value' | 'certificate', number[]>> {
	const found = { value: [] as number[], certificate: [] as number[] }
	const end = performance.now() + forMs
	for (let round = 0; performance.now() < end; round++) {
		// Not in step with the interval.
		await sleep(INTERVAL_MS * Math.random())
		const before = await victim.files(0)
		const value = randomUUID()
		const began = performance.now()
		await victim.set([
			{ name: 'db', value },
			{ name: 'shop', value: round % 2 ? PFX.ecModern : PFX.rsaModern, contentType: 'application/x-pkcs12' },
		])
		const wait = async (into: number[], is: (files: Record<string, string>) => boolean) => {
			const options = { timeoutMs: PATIENCE_MS, everyMs: 100 }
			await until('the rotation', async () => is(await victim.files(0)), options).catch(() => {})
			into.push(performance.now() - began)
		}
		await Promise.all([
			wait(found.value, (files) => files['db'] === Buffer.from(value).toString('base64')),
			wait(found.certificate, (files) => files['shop.key'] !== before['shop.key']),
		])
	}
	return found
}

/** The longest time in which the victim's vault was not asked; at the end it counts until now. */
async function gapOf(stage: Stage, vault: string, since: number): Promise<number> {
	const log = await stage.emulator.control.requests({ since })
	const times = [since, ...log.filter((each) => each.vault === vault).map(({ at }) => at), Date.now()]
	return Math.max(...times.slice(1).map((at, i) => at - (times[i] ?? at)))
}

interface LeaseWatch {
	missed: number
	longestMs: number
}

/** Reads the lease until told to stop: renewals that did not come in their period. */
async function watchLease(stage: Stage, signal: AbortSignal): Promise<LeaseWatch> {
	const path = `/apis/coordination.k8s.io/v1/namespaces/${stage.namespace}/leases/azure-secret-binding-operator`
	const renewals: number[] = []
	while (!signal.aborted) {
		const { spec } = await stage.api.request<{ spec: { renewTime: string } }>({ method: 'GET', path })
		const at = Date.parse(spec.renewTime)
		if (renewals.at(-1) !== at) renewals.push(at)
		await sleep(250, undefined, { signal }).catch(() => {})
	}
	const gaps = [...renewals.slice(1), Date.now()].map((at, i) => at - (renewals[i] ?? at))
	const missed = gaps.reduce((sum, gap) => sum + Math.max(0, Math.floor(gap / RETRY_PERIOD_MS - 1.5) + 1), 0)
	return { missed, longestMs: Math.max(...gaps) }
}
