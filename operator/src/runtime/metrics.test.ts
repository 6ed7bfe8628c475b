import { afterEach, beforeEach, expect, test } from 'vitest'
import { KubeError } from '../adapters/kube/errors.ts'
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

test('the age of the last look grows by itself, and ends with the vault', async () => {
	metrics.looked('payments')
	metrics.vaultCalls.inc({ vault: 'payments', kind: 'list', result: 'ok' })
	metrics.vaultCalls.inc({ vault: 'orders', kind: 'get', result: 'ok' })
	await clock.advance(90_000)
	expect(await lines()).toContain('asb_vault_last_look_age_seconds{vault="payments"} 90')
	await metrics.forgetVault('payments')
	const text = await metrics.text()
	expect(text).not.toContain('payments')
	expect(text).toContain('asb_vault_calls_total{vault="orders",kind="get",result="ok"} 1')
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
	for (const line of await lines()) if (line.startsWith('asb_event_loop')) expect(line).toMatch(/ \d+(\.\d+)?(e-\d+)?$/)
})

test('two sets of instruments do not collide, and process metrics are there when asked for', async () => {
	const second = createMetrics({ clock })
	expect(await second.text()).toContain('process_resident_memory_bytes')
	second.close()
})
