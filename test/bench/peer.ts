import { randomUUID } from 'node:crypto'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { readKubeconfig } from '../../operator/src/cluster/kubeconfig.ts'
import { isKubeError } from '../../operator/src/ports/kube-error.ts'
import { type BindingObject, isTrue, openStage, type SecretView, type Stage } from '../integration/operator/stage.ts'
import { kubectl } from '../kit/kubectl.ts'
import { until } from '../kit/until.ts'
import { bundled, type Program, startChild } from './child.ts'
import type { OperatorChild } from './child-operator.ts'
import type { Bench } from './cli.ts'
import { median } from './idle.ts'
import { PEER_VERSION, type PeerProgram, peerLoad, peerProgram, startPeer } from './peer-program.ts'
import { parseMetrics, sumOf } from './prometheus.ts'
import { apiOf, type Usage } from './reach.ts'
import { logOf } from './scale.ts'
import { bindingLoad, createTenants, type Load, type ScalePlan, type Tenants } from './tenants.ts'

/** How much longer the tuned peer is to take. */
const BAR = 3
/** The peer asks the names of the public cloud, whose port this is. */
const PORT = 443
const TIMEOUT_MS = 900_000
/** Those of which an operator asks the API server; others are its own. */
const RESOURCES = ['azuresecretbindings', 'externalsecrets', 'secretstores', 'secrets', 'serviceaccounts', 'events']

/** The same for each. */
interface Given {
	readonly plan: ScalePlan
	readonly peer: PeerProgram
	/** before each answer of a vault or of Entra */
	readonly delayMs: number
}

/** One that is started with everything there, and whose objects become Ready. */
interface Contender {
	readonly name: string
	readonly load: Load
	/** @returns what starts its process; nothing before that counts */
	prepare(stage: Stage, tenants: Tenants): Promise<() => Promise<Running>>
}

interface Running {
	/** resolves or rejects when it has ended */
	readonly ended: Promise<void>
	usage(): Promise<Pick<Usage, 'maxRss' | 'rss' | 'cpu'>>
	lastLines(): string
	end(): Promise<void>
}

interface Found {
	readonly seconds: number
	readonly usage: Pick<Usage, 'maxRss' | 'rss' | 'cpu'>
	/** seconds of processor time of the API server, and of this process, in which the emulator is */
	readonly beside: { readonly api: number; readonly emulator: number }
	/** requests, by what they ask */
	readonly vault: ReadonlyMap<string, number>
	readonly api: ReadonlyMap<string, number>
}

/**
 * The cold start beside that of External Secrets Operator: the same API server, emulator, namespaces, identities and secrets, one operator
 * after the other on this machine, each in namespaces and vaults of its own that nobody has read before.
 */
export const bench: Bench = {
	title:
		'cold start beside External Secrets Operator, with 40 namespaces x 5 objects x 5 secrets: time, calls, memory, CPU; needs Linux, root and Go (--namespaces N --objects N --secrets N --vaults N,N --runs N --only ours,default,tuned --delay MS --flag NODE-FLAG)',
	async run(args) {
		const number = (of: number) => ({ type: 'string', default: String(of) }) as const
		const { values } = parseArgs({
			args: [...args],
			options: {
				namespaces: number(40),
				objects: number(5),
				secrets: number(5),
				vaults: { type: 'string', default: '40,1' },
				runs: number(3),
				only: { type: 'string', default: 'ours,default,tuned' },
				// Longer than a start: nothing is read twice.
				interval: { type: 'string', default: '10m' },
				// Milliseconds, beside what the emulator takes.
				delay: number(0),
				flag: { type: 'string', multiple: true, default: [] },
			},
		})
		const peer = await peerOrReason()
		if (typeof peer === 'string') {
			console.error(peer)
			process.exitCode = 2
			return
		}
		const operator = await bundled('child-operator.ts', values.flag)
		const only = values.only.split(',')
		const contenders = [
			ours(operator),
			theirs('default', peer, []),
			theirs('tuned', peer, ['--concurrent=50', '--client-qps=100', '--client-burst=200']),
		].filter(({ name }) => only.includes(name))
		try {
			for (const vaults of values.vaults.split(',').map(Number)) {
				const { interval } = values
				const [namespaces, secrets] = [Number(values.namespaces), Number(values.secrets)]
				const plan: ScalePlan = { namespaces, bindings: Number(values.objects), secrets, vaults, interval }
				const given: Given = { plan, peer, delayMs: Number(values.delay) }
				await compare(given, contenders, Number(values.runs))
			}
		} finally {
			operator.remove()
		}
	},
}

/** The peer's program, or why it cannot be run here. */
async function peerOrReason(): Promise<PeerProgram | string> {
	if (process.platform !== 'linux' || process.getuid?.() !== 0)
		return `needs Linux and root: the peer asks the names of the public cloud, which a mount namespace leads to 127.0.0.1:${PORT}`
	return (await peerProgram()) ?? 'needs a Go toolchain (or Python with pip, to get one), to build the peer'
}

async function compare(given: Given, contenders: readonly Contender[], runs: number): Promise<void> {
	const { plan, delayMs } = given
	const total = plan.namespaces * plan.bindings
	console.log(
		`\n${plan.namespaces} namespaces x ${plan.bindings} objects x ${plan.secrets} secrets, ${plan.vaults} vault(s), answers ${delayMs} ms late, interval ${plan.interval}; External Secrets Operator ${PEER_VERSION}`,
	)
	const all = new Map(contenders.map(({ name }) => [name, [] as Found[]]))
	for (let run = 1; run <= runs; run++)
		for (const contender of contenders) {
			const found = await measure(given, contender)
			all.get(contender.name)?.push(found)
			const { maxRss, rss, cpu } = found.usage
			console.log(
				`  ${contender.name.padEnd(8)} run ${run}: ${total} Ready after ${found.seconds.toFixed(1)} s, CPU ${cpu.toFixed(1)} s, RSS at most ${maxRss} MB, then ${rss}; load ${loadavg()[0]?.toFixed(1)}`,
			)
		}
	report(all)
}

function report(all: ReadonlyMap<string, readonly Found[]>): void {
	const of = (name: string, pick: (found: Found) => number) => median((all.get(name) ?? []).map(pick))
	for (const [name, found] of all) {
		const last = found.at(-1)
		if (!last) continue
		console.log(
			`  ${name.padEnd(8)} medians: ${of(name, ({ seconds }) => seconds).toFixed(1)} s; RSS at most ${of(name, ({ usage }) => usage.maxRss)} MB, then ${of(name, ({ usage }) => usage.rss)}`,
		)
		const cpu = (pick: (found: Found) => number) => `${of(name, pick).toFixed(1)} s`
		console.log(
			`    CPU               ${cpu(({ usage }) => usage.cpu)}, of the API server ${cpu(({ beside }) => beside.api)}, of the emulator ${cpu(({ beside }) => beside.emulator)}`,
		)
		console.log(`    vault and Entra   ${listOf(last.vault)}`)
		console.log(`    API server        ${listOf(last.api)}`)
	}
	const own = of('ours', ({ seconds }) => seconds)
	for (const name of ['default', 'tuned']) {
		if (!all.has('ours') || !all.has(name)) continue
		const ratio = of(name, ({ seconds }) => seconds) / own
		const bar = name === 'tuned' ? ` (bar ${BAR}: ${ratio >= BAR ? 'kept' : 'NOT KEPT'})` : ''
		console.log(`  ${name} by ours: ${ratio.toFixed(2)} x${bar}`)
	}
}

const listOf = (counts: ReadonlyMap<string, number>) =>
	[...counts]
		.toSorted()
		.map(([what, count]) => `${what} ${count}`)
		.join(', ') || 'none'

async function measure({ plan, peer, delayMs }: Given, contender: Contender): Promise<Found> {
	const stage = await openStage({ name: 'peer', federate: false, role: false, port: PORT })
	const { load } = contender
	const total = plan.namespaces * plan.bindings
	const stopping = new AbortController()
	let [tenants, running]: [Tenants | undefined, Running | undefined] = [undefined, undefined]
	try {
		await kubectl(stage.target, ['apply', '--server-side', '--force-conflicts', '-k', peer.definitions])
		await nothingOfOthers(stage)
		tenants = await createTenants(stage, plan, load)
		for (const route of delayMs > 0 ? (['getSecret', 'token'] as const) : [])
			await stage.emulator.control.addFault({ match: { route }, action: 'delay', delayMs })
		const ready = await watchReady(stage, load.all, total, stopping.signal)
		const start = await contender.prepare(stage, tenants)
		const before = await apiServerOf(stage)
		const [since, began, cpu] = [Date.now(), performance.now(), process.cpuUsage()]
		running = await start()
		const { done, count } = ready
		const timeout = AbortSignal.any([stopping.signal, AbortSignal.timeout(TIMEOUT_MS)])
		await Promise.race([done, early(running), failedBy(timeout)]).catch((error: unknown) => {
			const text = `${contender.name}: ${count()} of ${total} Ready: ${String(error)}\n${running?.lastLines()}`
			throw new Error(text, { cause: error })
		})
		const seconds = (performance.now() - began) / 1000
		const usage = await running.usage()
		const { user, system } = process.cpuUsage(cpu)
		const after = await apiServerOf(stage)
		const vault = await logOf(stage, since)
		await checkSecrets(stage, tenants, plan)
		const beside = { api: after.cpu - before.cpu, emulator: (user + system) / 1e6 }
		return { seconds, usage, beside, vault, api: difference(after.calls, before.calls) }
	} finally {
		stopping.abort(new Error('measured'))
		await running?.end()
		await tenants?.remove()
		await stage.close()
	}
}

async function early({ ended }: Running): Promise<never> {
	await ended
	throw new Error('it has ended')
}

const failedBy = (signal: AbortSignal) =>
	new Promise<never>((_, reject) => {
		signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
	})

/** Objects of others would be worked on as well. */
async function nothingOfOthers({ api }: Stage): Promise<void> {
	for (const { all } of [bindingLoad, peerLoad]) {
		// A resource that was defined just now is answered for a moment later.
		const { items } = await until(`an answer to ${all}`, () =>
			api.request<{ items: object[] }>({ method: 'GET', path: all }).catch((error: unknown) => {
				if (isKubeError(error, 'throttled') || isKubeError(error, 'notFound')) return undefined
				throw error
			}),
		)
		if (items.length > 0) throw new Error(`the cluster has ${items.length} objects of others in ${all}`)
	}
}

/** Counts, by a watch, how many objects are Ready. It is the same for each contender, and open before its process starts. */
async function watchReady({ api }: Stage, path: string, total: number, signal: AbortSignal) {
	const { metadata } = await api.request<{ metadata: { resourceVersion: string } }>({ method: 'GET', path })
	const query = { watch: 'true', resourceVersion: metadata.resourceVersion }
	const lines = await api.stream({ path, query, signal, inactivityMs: TIMEOUT_MS })
	const names = new Set<string>()
	const follow = async () => {
		for await (const line of lines) {
			const { object } = JSON.parse(line) as { object: BindingObject & { metadata: { namespace: string } } }
			const name = `${object.metadata.namespace}/${object.metadata.name}`
			if (isTrue(object, 'Ready')) names.add(name)
			else names.delete(name)
			if (names.size === total) return
		}
		throw new Error('the watch ended')
	}
	const done = follow()
	// Whoever waits for it is told.
	done.catch(() => {})
	return { done, count: () => names.size }
}

/** Requests to the API server so far, and its processor time, by its own metrics. */
async function apiServerOf({ target }: Stage): Promise<{ calls: ReadonlyMap<string, number>; cpu: number }> {
	const samples = parseMetrics(await kubectl(target, ['get', '--raw', '/metrics']))
	const counts = new Map<string, number>()
	for (const { name, labels } of samples) {
		const { verb = '', resource = '', subresource } = labels
		if (name !== 'apiserver_request_total' || !RESOURCES.includes(resource) || verb === 'WATCH') continue
		const what = `${verb} ${resource}${subresource ? `/${subresource}` : ''}`
		if (!counts.has(what)) counts.set(what, sumOf(samples, name, { verb, resource, subresource: subresource ?? '' }))
	}
	return { calls: counts, cpu: sumOf(samples, 'process_cpu_seconds_total') }
}

function difference(after: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): Map<string, number> {
	const grown = [...after].map(([what, count]) => [what, count - (before.get(what) ?? 0)] as const)
	return new Map(grown.filter(([, count]) => count > 0))
}

/** Each says that it is Ready; the Secrets have to be there with all that was asked for. */
async function checkSecrets({ api }: Stage, { tenants }: Tenants, { secrets }: ScalePlan): Promise<void> {
	for (const { namespace, bindings } of tenants) {
		const path = `/api/v1/namespaces/${namespace}/secrets`
		const { items } = await api.request<{ items: SecretView[] }>({ method: 'GET', path })
		for (const binding of bindings) {
			const data = items.find(({ metadata }) => metadata.name === `${binding.name}-secrets`)?.data ?? {}
			const there = binding.secrets.filter((name) => (data[name] ?? '') !== '').length
			if (there !== secrets) throw new Error(`${namespace}/${binding.name} is Ready with ${there} of ${secrets} values`)
		}
	}
}

const ours = (program: Program): Contender => ({
	name: 'ours',
	load: bindingLoad,
	async prepare(stage) {
		const { kubeconfig, context } = stage.target
		const { port, caPem } = stage.emulator
		const api = await apiOf(readKubeconfig(kubeconfig, context))
		const options: OperatorChild = { api, emulator: { port, caPem }, home: stage.namespace, identity: randomUUID() }
		return async () => {
			const child = startChild(program)
			await child.ask(JSON.stringify(options))
			return {
				ended: child.ended,
				usage: () => child.ask<Usage>('usage'),
				lastLines: () => '',
				end: () => child.end(),
			}
		}
	},
})

const theirs = (name: string, program: PeerProgram, flags: readonly string[]): Contender => ({
	name,
	load: peerLoad,
	async prepare({ target, emulator }, { tenants }) {
		const kubeconfig = await kubectl(target, ['config', 'view', '--minify', '--raw', '--flatten'])
		const hosts = new Set(['login.microsoftonline.com', ...tenants.map(({ vaultUrl }) => new URL(vaultUrl).hostname)])
		return async () => {
			const child = startPeer(program, { flags, kubeconfig, caPem: emulator.caPem, names: [...hosts] })
			return { ...child, usage: async () => child.usage() }
		}
	},
})
