import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readKubeconfig } from '../../operator/src/cluster/kubeconfig.ts'
import { type BindingObject, isTrue, openStage, type Stage } from '../integration/operator/stage.ts'
import { until } from '../kit/until.ts'
import { bundled, type Child, fromSource, type Program, startChild } from './child.ts'
import type { FloorChild, FloorResult } from './child-floor.ts'
import type { OperatorChild } from './child-operator.ts'
import type { Bench } from './cli.ts'
import { published } from './peers.ts'
import { parseMetrics, type Sample, sumOf } from './prometheus.ts'
import { apiOf, type Memory, partsOf, type Reach, type Usage } from './reach.ts'
import { createTenants, type ScalePlan, type Tenants } from './tenants.ts'

/** What the operator may need for 1,000 bindings at any moment, and when the rush is over, MB. */
const MEMORY_BAR = { most: 250, settled: 140 }
/** What the operator does at once: bindings (`--concurrency`), and calls to one vault (`vault/budget.ts`). */
const WORKERS = 32
const PER_VAULT = 8
/** From this share of its bindings on the operator is asked often whether all are Ready. */
const NEARLY = 0.95
/** A window of the service's throttling; the floor begins in a fresh one. */
const WINDOW_MS = 10_000
const BINDINGS_PATH = '/apis/secrets.purista.dev/v1alpha1/azuresecretbindings'

/**
 * Cold start and restart of an operator that is a process of its own, with many bindings. API server, emulator and operator share
 * this machine, so the times are its; the ratios to the floor, measured in the same run, are what to compare.
 *
 * 1. Vaults, namespaces, identities and bindings are made; no operator runs.
 * 2. The operator is started; until all bindings are Ready. Then it goes on for a while in which nothing changes.
 * 3. It is stopped and started again; until it has looked at all of them.
 * 4. The floor: the same reads, the same Secrets and as many statuses in plain loops.
 */
export const bench: Bench = {
	title:
		'cold start and restart with 50 namespaces x 20 bindings x 5 secrets: time, calls, memory, CPU, beside the floor (--vaults N,N --namespaces N --bindings N --secrets N --idle SECONDS --flag NODE-FLAG --snapshot FILE)',
	async run(args) {
		const number = (of: number) => ({ type: 'string', default: String(of) }) as const
		const { values } = parseArgs({
			args: [...args],
			options: {
				namespaces: number(50),
				bindings: number(20),
				secrets: number(5),
				vaults: { type: 'string', default: '50,1' },
				// More than one interval: one look at everything.
				idle: number(90),
				interval: { type: 'string', default: '60s' },
				flag: { type: 'string', multiple: true, default: [] },
				// Of the heap after the time without a change. It holds the values of the bench's secrets, if any are kept.
				snapshot: { type: 'string' },
			},
		})
		const operator = await bundled('child-operator.ts', values.flag)
		const floor = fromSource('child-floor.ts')
		try {
			for (const vaults of values.vaults.split(',').map(Number)) {
				const plan: ScalePlan = {
					namespaces: Number(values.namespaces),
					bindings: Number(values.bindings),
					secrets: Number(values.secrets),
					interval: values.interval,
					vaults,
				}
				const idleMs = Number(values.idle) * 1_000
				await measureScale(plan, { operator, floor, idleMs, snapshot: values.snapshot }, (line) => console.log(line))
			}
		} finally {
			operator.remove()
		}
		console.log('\nPublished by peers, each on its own machine (their words, not measured here):')
		for (const [figure, source] of published) console.log(`  ${figure}  [${source}]`)
	},
}

export interface Programs {
	readonly operator: Program
	readonly floor: Program
	readonly idleMs: number
	/** file for the heap after that; undefined: none */
	readonly snapshot: string | undefined
}

export interface Start {
	/** from the start of the process until all bindings are Ready */
	readonly seconds: number
	/** of the plain loop */
	readonly floorSeconds: number
	/** of the operator, by that of the loop */
	readonly cpuRatio: number
	/** of the operator until then, MB */
	readonly maxRss: number
	/** and after the time without a change */
	readonly settledRss: number
}

/** @param say is given each line of the report */
export async function measureScale(plan: ScalePlan, programs: Programs, say: (line: string) => void): Promise<Start> {
	const stage = await openStage({ name: 'scale', federate: false, role: false })
	let tenants: Tenants | undefined
	try {
		const there = await stage.api.request<{ items: object[] }>({ method: 'GET', path: BINDINGS_PATH })
		if (there.items.length > 0)
			throw new Error(`the cluster has ${there.items.length} bindings of others, which would be measured as well`)
		say(
			`\n${plan.namespaces} namespaces x ${plan.bindings} bindings x ${plan.secrets} secrets, ${plan.vaults} vault(s), interval ${plan.interval}`,
		)
		tenants = await createTenants(stage, plan)
		const total = plan.namespaces * plan.bindings
		const { kubeconfig, context } = stage.target
		const { port, caPem } = stage.emulator
		const reach: Reach = { api: await apiOf(readKubeconfig(kubeconfig, context)), emulator: { port, caPem } }

		const cold = await startOperator(stage, programs, reach, total)
		print(say, `cold start: ${total} Ready after`, cold.found)
		await checkReady(stage, total)
		const idle = await cold.idle(programs.idleMs)
		print(say, `then ${programs.idleMs / 1000} s without a change:`, idle)
		const settled = idle.usage.rss
		say(`    settled           RSS ${settled} MB (bar ${MEMORY_BAR.settled}: ${kept(settled, MEMORY_BAR.settled)})`)
		if (programs.snapshot) await cold.child.ask(`snapshot ${programs.snapshot}`)
		await cold.child.end()

		const warm = await startOperator(stage, programs, reach, total)
		print(say, 'restart: all looked at after', warm.found)
		await warm.child.end()

		await sleep(WINDOW_MS)
		const child = startChild(programs.floor)
		const floor = await child.ask<FloorResult>(
			JSON.stringify({
				...reach,
				tenantId: stage.emulator.tenantId,
				tenants: tenants.tenants,
				reads: Math.min(PER_VAULT * plan.vaults, WORKERS),
				calls: WORKERS,
			} satisfies FloorChild),
		)
		await child.end()
		return { ...printFloor(say, floor, cold.found), settledRss: idle.usage.rss }
	} finally {
		await tenants?.remove()
		await stage.close()
	}
}

interface Found {
	readonly seconds: number
	readonly usage: Usage
	readonly memory: Memory
	readonly samples: readonly Sample[]
	/** vault requests as the emulator saw them */
	readonly log: ReadonlyMap<string, number>
}

/** Starts one and waits until it counts all bindings as Ready, which it does of those it has looked at. */
async function startOperator(stage: Stage, { operator }: Programs, reach: Reach, total: number) {
	const [since, began] = [Date.now(), performance.now()]
	const child = startChild(operator)
	const options: OperatorChild = { ...reach, home: stage.namespace, identity: randomUUID() }
	const { port } = await child.ask<{ port: number }>(JSON.stringify(options))
	const scrape = async () => parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
	const ready = { condition: 'Ready', status: 'True' }
	let samples: Sample[] = []
	const untilReady = (count: number, everyMs: number) =>
		until(
			`${count} bindings to be Ready`,
			async () => {
				samples = await scrape()
				return sumOf(samples, 'asb_bindings', ready) >= count
			},
			{ timeoutMs: 900_000, everyMs },
		)
	// A scrape takes 10 ms of the operator: close together only where the end is near.
	await untilReady(Math.floor(total * NEARLY), 1_000)
	await untilReady(total, 100)
	const seconds = (performance.now() - began) / 1000
	const found: Found = { seconds, ...(await stateOf(child)), samples, log: await logOf(stage, since) }
	return {
		child,
		found,
		async idle(ms: number): Promise<Found> {
			const from = Date.now()
			await sleep(ms)
			const [now, { usage, memory }] = [await scrape(), await stateOf(child)]
			return {
				seconds: ms / 1000,
				usage: { ...usage, cpu: usage.cpu - found.usage.cpu },
				memory,
				samples: now.map((each) => ({ ...each, value: each.value - before(samples, each) })),
				log: await logOf(stage, from),
			}
		},
	}
}

/** Counters go on from what they were; gauges are what they are. */
function before(samples: readonly Sample[], { name, labels }: Sample): number {
	return name.endsWith('_total') ? sumOf(samples, name, labels) : 0
}

const stateOf = async (child: Child) => ({
	usage: await child.ask<Usage>('usage'),
	memory: await child.ask<Memory>('memory'),
})

/** Requests to vaults and Entra as the emulator saw them. */
export async function logOf(stage: Stage, since: number): Promise<ReadonlyMap<string, number>> {
	const counts = new Map<string, number>()
	for (const { kind, route, status, count } of await stage.emulator.control.requestCounts({ since })) {
		if (kind === 'other') continue
		const what = status === 200 ? route : status === 401 ? 'challenges' : `${route} ${status ?? 'unanswered'}`
		counts.set(what, (counts.get(what) ?? 0) + count)
	}
	return counts
}

/** The operator says so itself; the API server has to agree. */
async function checkReady(stage: Stage, total: number): Promise<void> {
	const { items } = await stage.api.request<{ items: BindingObject[] }>({ method: 'GET', path: BINDINGS_PATH })
	const ready = items.filter((each) => isTrue(each, 'Ready')).length
	if (ready !== total) throw new Error(`the operator counts ${total} Ready, the API server has ${ready}`)
}

const kept = (is: number, bar: number) => (is <= bar ? 'kept' : 'NOT KEPT')

function print(say: (line: string) => void, title: string, { seconds, usage, memory, samples, log }: Found): void {
	const { maxRss, rss, external, cpu } = usage
	const p99 = sumOf(samples, 'asb_event_loop_delay_seconds', { quantile: '0.99' }) * 1000
	const calls = new Map<string, number>()
	for (const { name, labels, value } of samples) {
		if (name !== 'asb_api_requests_total' || value === 0) continue
		const what = `${labels['verb']} ${labels['kind']}`
		calls.set(what, (calls.get(what) ?? 0) + value)
	}
	const list = (counts: ReadonlyMap<string, number>) =>
		[...counts]
			.toSorted()
			.map(([what, count]) => `${what} ${count}`)
			.join(', ') || 'none'
	say(`  ${title} ${seconds.toFixed(1)} s`)
	say(`    vault and Entra   ${list(log)}`)
	say(`    API server        ${list(calls)}`)
	say(
		`    memory            RSS at most ${maxRss} MB (bar ${MEMORY_BAR.most}: ${kept(maxRss, MEMORY_BAR.most)}), now ${rss}; ${partsOf(memory)}; buffers ${external}`,
	)
	say(`    CPU               ${cpu.toFixed(1)} s; event loop p99 ${p99.toFixed(0)} ms (an idle one shows 20)`)
}

function printFloor(say: (line: string) => void, floor: FloorResult, cold: Found): Omit<Start, 'settledRss'> {
	const { reads, bindings, throttled, seconds } = floor
	say(
		`  the floor: ${reads} reads (${throttled} throttled), ${bindings} GETs, POSTs and statuses ${seconds.toFixed(1)} s, CPU ${floor.cpu.toFixed(1)} s`,
	)
	say(
		`  cold start by the floor: time ${(cold.seconds / seconds).toFixed(2)} x, CPU ${(cold.usage.cpu / floor.cpu).toFixed(2)} x`,
	)
	return {
		seconds: cold.seconds,
		floorSeconds: seconds,
		cpuRatio: cold.usage.cpu / floor.cpu,
		maxRss: cold.usage.maxRss,
	}
}
