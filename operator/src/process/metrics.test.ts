import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { KubeError } from '../ports/kube-error.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { KeyedQueue } from './queue.ts'
import { FakeClock } from './testing/fake-clock.ts'

let clock: FakeClock
let metrics: Metrics
beforeEach(() => {
	clock = new FakeClock()
	metrics = createMetrics({ clock, process: false })
})
afterEach(() => metrics.close())

const lines = async () => (await metrics.text()).split('\n')

test('the queue is read at each scrape', async () => {
	const queue = new KeyedQueue({ clock })
	metrics.setQueue(queue)
	expect(await lines()).toContain('asb_queue_depth 0')
	queue.add('a')
	queue.addAfter('b', 1_000)
	await clock.advance(2_500)
	expect(await lines()).toEqual(
		expect.arrayContaining(['asb_queue_depth 1', 'asb_queue_delayed 1', 'asb_queue_oldest_seconds 2.5']),
	)
})

const facts = (reason: string, expires?: number) => ({
	conditions: [{ type: 'Fresh', status: reason === 'Current' ? 'True' : 'False', reason }],
	expires,
})

test('the age of the last poll grows by itself', async () => {
	metrics.polled('payments')
	await clock.advance(90_000)
	expect(await lines()).toContain('asb_vault_last_look_age_seconds{vault="payments"} 90')
})

test('a vault has one series of reachability, with the last answer', async () => {
	metrics.vaultAnswered('payments', undefined)
	expect(await lines()).toContain('asb_vault_reachable{vault="payments",reason="Reachable"} 1')
	metrics.vaultAnswered('payments', 'VaultTimeout')
	const series = (await lines()).filter((line) => line.startsWith('asb_vault_reachable{'))
	expect(series).toEqual(['asb_vault_reachable{vault="payments",reason="VaultTimeout"} 0'])
})

test('bindings and expiries of two namespaces are apart, so that an alert reaches its team', async () => {
	for (const [key, expires] of [
		['a/one', 60_000],
		['b/one', 120_000],
	] as const) {
		metrics.bindingUses(key, 'payments')
		metrics.bindingIs(key, facts('Current', clock.now() + expires))
	}
	expect(await lines()).toEqual(
		expect.arrayContaining([
			'asb_bindings{namespace="a",condition="Fresh",status="True",reason="Current"} 1',
			'asb_bindings{namespace="b",condition="Fresh",status="True",reason="Current"} 1',
			'asb_vault_earliest_expiry_seconds{namespace="a",vault="payments"} 60',
			'asb_vault_earliest_expiry_seconds{namespace="b",vault="payments"} 120',
		]),
	)
})

test('bindings are counted by condition and never named', async () => {
	metrics.bindingIs('ns/one', facts('Current'))
	metrics.bindingIs('ns/two', facts('Current'))
	metrics.bindingIs('ns/three', facts('ForbiddenByRbac'))
	expect(await lines()).toEqual(
		expect.arrayContaining([
			'asb_bindings{namespace="ns",condition="Fresh",status="True",reason="Current"} 2',
			'asb_bindings{namespace="ns",condition="Fresh",status="False",reason="ForbiddenByRbac"} 1',
		]),
	)
	metrics.bindingIs('ns/three', facts('Current'))
	metrics.bindingGone('ns/two')
	const text = await metrics.text()
	expect(text).toContain('asb_bindings{namespace="ns",condition="Fresh",status="True",reason="Current"} 2')
	expect(text).not.toMatch(/ForbiddenByRbac|ns\//)
})

test('the earliest expiry of a vault runs down, past zero, and follows what is delivered', async () => {
	const day = 86_400_000
	metrics.bindingUses('ns/one', 'payments')
	metrics.bindingUses('ns/two', 'payments')
	metrics.bindingIs('ns/one', facts('Current', clock.now() + 2 * day))
	metrics.bindingIs('ns/two', facts('Current', clock.now() + day))
	expect(await lines()).toContain('asb_vault_earliest_expiry_seconds{namespace="ns",vault="payments"} 86400')
	await clock.advance(day + 5_000)
	expect(await lines()).toContain('asb_vault_earliest_expiry_seconds{namespace="ns",vault="payments"} -5')
	metrics.bindingGone('ns/two')
	expect(await lines()).toContain('asb_vault_earliest_expiry_seconds{namespace="ns",vault="payments"} 86395')
	metrics.bindingIs('ns/one', facts('Current'))
	expect(await metrics.text()).not.toContain('asb_vault_earliest_expiry_seconds{')
})

test('the series of a vault end with the last binding that uses it', async () => {
	for (const key of ['ns/one', 'ns/two']) {
		metrics.bindingUses(key, 'payments')
		metrics.bindingIs(key, facts('Current', clock.now() + 1_000))
	}
	metrics.polled('payments')
	metrics.vaultAnswered('payments', undefined)
	metrics.vaultCalls.inc({ vault: 'payments', kind: 'list', result: 'ok' })
	metrics.vaultWait.observe({ vault: 'payments', lane: 'first' }, 0.2)
	metrics.vaultWait.observe({ vault: 'payments', lane: 'refresh' }, 2)
	metrics.setVaultRates(() => [
		['payments', 40],
		['orders', 20],
	])
	metrics.vaultCalls.inc({ vault: 'orders', kind: 'get', result: 'ok' })
	metrics.bindingGone('ns/one')
	expect((await lines()).filter((line) => /vault="payments"(?!.*lane=)/.test(line))).toHaveLength(5)
	expect(await lines()).toContain('asb_vault_budget_rate{vault="payments"} 40')
	expect(await lines()).toContain('asb_vault_budget_wait_seconds_sum{vault="payments",lane="refresh"} 2')
	metrics.bindingUses('ns/two', 'orders')
	await vi.waitFor(async () => expect(await metrics.text()).not.toContain('payments'))
	const text = await metrics.text()
	expect(text).toContain('asb_vault_calls_total{vault="orders",kind="get",result="ok"} 1')
	expect(text).toContain('asb_vault_budget_rate{vault="orders"} 20')
	expect(text).not.toContain('asb_vault_earliest_expiry_seconds{namespace="ns",vault="orders"')
})

test('a binding that was never seen can go', async () => {
	metrics.bindingGone('ns/none')
	expect(await metrics.text()).not.toContain('asb_bindings{')
})

test('a watch shows exactly one state, its faults by kind, and what relists found', async () => {
	const observer = metrics.watchObserver('azuresecretbindings')
	observer.state('Empty')
	observer.state('Watching')
	const second = metrics.watchObserver('azuresecretbindings')
	second.state('Empty')
	second.state('InitPage')
	observer.fault(new KubeError('gone', 'x'), 1)
	observer.fault('shortLived', 1)
	observer.relisted('periodic', { applied: 0, deleted: 2 })
	const all = await lines()
	expect(all.filter((line) => line.startsWith('asb_watch_state') && line.endsWith(' 1'))).toEqual([
		'asb_watch_state{kind="azuresecretbindings",state="InitPage"} 1',
		'asb_watch_state{kind="azuresecretbindings",state="Watching"} 1',
	])
	expect(all).toContain('asb_watch_state{kind="azuresecretbindings",state="Empty"} 0')
	expect(all).toEqual(
		expect.arrayContaining([
			'asb_watch_faults_total{kind="azuresecretbindings",fault="gone"} 1',
			'asb_watch_faults_total{kind="azuresecretbindings",fault="shortLived"} 1',
			'asb_watch_relists_total{kind="azuresecretbindings",reason="periodic"} 1',
			'asb_watch_missed_total{kind="azuresecretbindings",change="applied"} 0',
			'asb_watch_missed_total{kind="azuresecretbindings",change="deleted"} 2',
		]),
	)
})

test('requests are counted by status, and timed without watches, which last as long as they please', async () => {
	metrics.observeRequest({ verb: 'patch', kind: 'secrets', status: '200' }, 0.02)
	metrics.observeRequest({ verb: 'watch', kind: 'pods', status: '200' }, 300)
	const text = await metrics.text()
	expect(text).toContain('asb_api_requests_total{verb="patch",kind="secrets",status="200"} 1')
	expect(text).toContain('asb_api_requests_total{verb="watch",kind="pods",status="200"} 1')
	expect(text).toContain('asb_api_request_duration_seconds_count{verb="patch",kind="secrets"} 1')
	expect(text).not.toContain('asb_api_request_duration_seconds_count{verb="watch"')
})

test('a blocked event loop shows, in a number that is a number', async () => {
	await metrics.text()
	const until = performance.now() + 200
	await new Promise((resolve) => {
		setTimeout(resolve, 30)
	})
	while (performance.now() < until) {
		// Blocks on purpose.
	}
	await new Promise((resolve) => {
		setTimeout(resolve, 50)
	})
	const max = (await lines()).find((line) => line.startsWith('asb_event_loop_delay_seconds{quantile="1"}'))
	expect(Number(max?.split(' ')[1])).toBeGreaterThan(0.1)
	// Whoever asks next, and after that, hears of it as well; two minutes later it is over.
	const shown = async () => Number((await lines()).find((line) => line.includes('quantile="1"'))?.split(' ')[1])
	expect(await shown()).toBeGreaterThan(0.1)
	await clock.advance(60_000)
	expect(await shown()).toBeGreaterThan(0.1)
	expect(await shown()).toBeGreaterThan(0.1)
	await clock.advance(60_000)
	await shown()
	expect(await shown()).toBeLessThan(0.1)
	for (const line of await lines()) if (line.startsWith('asb_event_loop')) expect(line).toMatch(/ \d+(\.\d+)?(e-\d+)?$/)
})

test('two sets of instruments do not collide, and process metrics are there when asked for', async () => {
	const second = createMetrics({ clock })
	expect(await second.text()).toContain('process_resident_memory_bytes')
	second.close()
})

test('only the page of a controller has the metric by which alerts know operators', async () => {
	const ofNode = createMetrics({ clock, role: 'node', process: false })
	expect(await ofNode.text()).not.toContain('asb_leader')
	expect(await metrics.text()).toContain('asb_leader 0')
	ofNode.close()
})
