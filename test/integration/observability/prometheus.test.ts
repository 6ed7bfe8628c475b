// A real Prometheus scrapes the page that the operator serves, and is asked everything that dashboard and alerts ask.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Outcome } from '../../../operator/src/engine/outcome.ts'
import { entryOf, polledOf } from '../../../operator/src/engine/testing/samples.ts'
import { createNodeMetrics, type NodeMetrics } from '../../../operator/src/node/node-metrics.ts'
import { KubeError } from '../../../operator/src/ports/kube-error.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { createMetrics, type Metrics } from '../../../operator/src/process/metrics.ts'
import { type Probes, startProbes } from '../../../operator/src/process/probes.ts'
import { createObserver } from '../../../operator/src/run/observer.ts'
import { until } from '../../kit/until.ts'
import { type Binaries, type Prometheus, prometheusBinaries, startPrometheus } from './prometheus.ts'

const read = (file: string) => readFileSync(new URL(`../../../deploy/grafana/${file}`, import.meta.url), 'utf8')

interface Panel {
	type: string
	title: string
	description?: string
	targets?: { expr: string }[]
}
const dashboard = JSON.parse(read('dashboard.json')) as { panels: Panel[] }
const alerts = (
	parse(read('alerts.yaml')) as { groups: { rules: { alert: string; expr: string }[] }[] }
).groups.flatMap(({ rules }) => rules)

// Two scrapes are needed for a rate. A quarter of a second keeps the test short and the machine idle.
const EVERY_MS = 250
/** As Grafana fills in its variables, with all vaults chosen. */
const filled = (expr: string) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$vault', '.*')

const VAULT = 'https://payments.vault.azure.net'
const at = {
	namespace: 'payments',
	serviceAccount: 'payments',
	clientId: '11111111-2222-3333-4444-555555555555',
	tenantId: '66666666-7777-8888-9999-000000000000',
	audience: 'api://AzureADTokenExchange',
	issuer: undefined,
	vaultUrl: VAULT,
}

/** One binding delivered: with an expiring secret, all by way of what the controllers themselves call. */
function reconcile(metrics: Metrics, key: string, vaultUrl: string, expires: number, fault?: 'timeout'): void {
	const observer = createObserver(metrics)
	const outcome: Outcome = fault
		? { kind: 'failed', fault: { kind: fault }, at: { ...at, vaultUrl } }
		: polledOf({
				at: { ...at, vaultUrl },
				changed: true,
				results: [
					entryOf({
						wanted: { name: 'apiKey', objectName: 'apiKey', optional: false },
						inManifest: {
							objectName: 'apiKey',
							version: '0123456789abcdef0123456789abcdef',
							state: 'Current',
							pinned: false,
							expires: new Date(expires).toISOString(),
							tags: {},
							previous: [],
						},
						state: 'Current',
					}),
				],
			})
	const condition = (type: 'Ready' | 'Fresh') => ({
		type,
		status: fault ? ('False' as const) : ('True' as const),
		reason: fault ? 'VaultTimeout' : 'Delivered',
		message: '',
		lastTransitionTime: '2026-01-01T00:00:00Z',
		observedGeneration: 1,
	})
	observer.uses(key, vaultUrl)
	if (!fault) observer.polled(vaultUrl)
	observer.reconciled(key, outcome, { conditions: [condition('Ready'), condition('Fresh')] }, 0.2)
	if (fault) return
	observer.written(950_000)
	observer.propagated(12)
}

let watchState: 'Watching' | 'Empty' = 'Watching'
let watch: ReturnType<Metrics['watchObserver']>

/** As on a node with two volumes. */
function workOnNode(): void {
	ofNode.registered.set(isRegistered ? 1 : 0)
	ofNode.volumes.set(2)
	ofNode.waiting.set(1)
	ofNode.bindings.set(1)
	ofNode.bytes.set(95)
	ofNode.limit.set(100)
	ofNode.offline.set(1)
	for (const result of ['ok', 'error']) ofNode.calls.observe({ call: 'publish', result }, 0.1)
	for (const kind of ['delivered', 'offline', 'stale']) ofNode.news.inc({ kind })
}

/** Everything that counts goes on counting: a counter that is only set once has no rate. */
function work(metrics: Metrics): void {
	const now = Date.now()
	workOnNode()
	reconcile(metrics, 'payments/one', VAULT, now + 86_400_000)
	reconcile(metrics, 'payments/two', 'https://expired.vault.azure.net', now - 60_000)
	reconcile(metrics, 'payments/three', 'https://away.vault.azure.net', now, 'timeout')
	metrics.vaultCalls.inc({ vault: 'payments.vault.azure.net', kind: 'list', result: 'ok' })
	metrics.vaultCalls.inc({ vault: 'away.vault.azure.net', kind: 'list', result: 'timeout' })
	metrics.vaultCalls.inc({ vault: 'payments.vault.azure.net', kind: 'get', result: 'throttled' }, 20)
	metrics.vaultWait.observe({ vault: 'payments.vault.azure.net', lane: 'first' }, 20)
	metrics.tokenCalls.inc({ issuer: 'entra', result: 'ok' })
	metrics.formSeconds.observe({ result: 'formed' }, 0.1)
	metrics.queueWait.observe(0.01)
	metrics.latePolls.inc({ by: 'workers' })
	metrics.secretWrites.inc({ operation: 'patch', result: 'ok' })
	metrics.podRefreshes.inc({ result: 'ok' })
	metrics.events.inc({ result: 'created' })
	metrics.observeRequest({ verb: 'patch', kind: 'secrets', status: '403' }, 0.01)
	metrics.observeRequest({ verb: 'patch', kind: 'secrets', status: '200' }, 0.01)
	watch.state(watchState)
	watch.fault(new KubeError('gone', 'x'), 1)
	watch.relisted('periodic', { applied: 1, deleted: 1 })
}

let binaries: Binaries
let metrics: Metrics
let ofNode: NodeMetrics
let isRegistered = true
let probes: Probes
let working: NodeJS.Timeout
let prometheus: Prometheus | undefined

beforeAll(async () => {
	binaries = await prometheusBinaries()
	metrics = createMetrics({ clock: systemClock })
	// One page for what two roles serve.
	ofNode = createNodeMetrics(metrics)
	watch = metrics.watchObserver('azuresecretbindings')
	metrics.leader.set(1)
	metrics.setVaultRates(() => [['payments.vault.azure.net', 40]])
	metrics.setQueue({ depth: 3, delayed: 2, running: 1, oldestMs: 400_000 })
	probes = await startProbes({
		port: 0,
		host: '127.0.0.1',
		live: () => undefined,
		ready: () => undefined,
		metrics: ofNode,
	})
	work(metrics)
	working = setInterval(() => work(metrics), EVERY_MS)
	if (binaries.kind === 'ok') prometheus = await startPrometheus(binaries.prometheus, probes.port, EVERY_MS)
})
afterAll(async () => {
	clearInterval(working)
	await prometheus?.[Symbol.asyncDispose]()
	await probes.close()
	metrics.close()
})

const ask = (started: Prometheus, expr: string) =>
	until(
		`an answer to ${expr}`,
		async () => {
			const samples = await started.query(filled(expr))
			// A quantile over nothing is a series of NaN, which is as good as none.
			return samples.some(({ value }) => Number.isFinite(value)) && samples
		},
		{ timeoutMs: 30_000, everyMs: EVERY_MS },
	)

const missing = () => (binaries.kind === 'missing' ? `there is no Prometheus: ${binaries.reason}` : '')

test('every panel has a title, a description and a query on metrics of ours', () => {
	const panels = dashboard.panels.filter(({ type }) => type !== 'row')
	expect(panels.length).toBeGreaterThan(20)
	for (const { title, description, targets } of panels) {
		expect(title.length * (description ?? '').length, title).toBeGreaterThan(0)
		expect(targets?.length, title).toBeGreaterThan(0)
		for (const { expr } of targets ?? []) expect(expr, title).toMatch(/\basb_/)
	}
})

test('every query of the dashboard gets series back', async (context) => {
	if (!prometheus) return context.skip(missing())
	for (const { targets = [] } of dashboard.panels) for (const { expr } of targets) await ask(prometheus, expr)
})

test('every metric that is served is one that Prometheus has read, with its type', async (context) => {
	if (!prometheus) return context.skip(missing())
	const names = [...(await ofNode.text()).matchAll(/^# TYPE (asb_\S+) (\S+)$/gm)].map(([, name, type]) =>
		type === 'histogram' ? `${name}_count` : name,
	)
	expect(names.length).toBeGreaterThan(20)
	for (const name of names) await ask(prometheus, name ?? '')
})

// What the work above does not bring about.
const TROUBLES: Record<string, () => void> = {
	AzureSecretBindingNoLeader: () => metrics.leader.set(0),
	AzureSecretBindingTwoLeaders: () => metrics.leader.set(2),
	AzureSecretBindingNodeNotRegistered: () => {
		isRegistered = false
	},
	AzureSecretBindingWatchDown: () => {
		watchState = 'Empty'
	},
	// Blocks the event loop for longer than the alert takes, without using the processor.
	AzureSecretBindingEventLoopBlocked: () => {
		Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_500)
	},
}

test.for(alerts)('the expression of $alert is true when it should be', async ({ alert, expr }, context) => {
	if (!prometheus) return context.skip(missing())
	if (alert === 'AzureSecretBindingOperatorDead') {
		expect(await ask(prometheus, 'asb_leader')).toHaveLength(1)
		expect(await prometheus.query(expr)).toEqual([])
		// An hour ago nothing was scraped.
		expect(await prometheus.query(expr, Date.now() / 1000 - 3_600)).toHaveLength(1)
		return
	}
	TROUBLES[alert]?.()
	await ask(prometheus, expr)
	metrics.leader.set(1)
	watchState = 'Watching'
	isRegistered = true
})
