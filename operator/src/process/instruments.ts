import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { ObserveRequest, WatchObserver } from '../ports/observe.ts'
import type { Clock } from './clock.ts'

/** What the queue tells at each scrape. */
export interface QueueGauges {
	readonly depth: number
	readonly delayed: number
	readonly running: number
	readonly oldestMs: number
}

// Milliseconds to the queue's longest backoff. Reconciles, vault calls and API calls all live between these ends.
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
// From no wait to the 30 s after which a call gives up. Few steps: each is a series for each vault and lane.
const WAIT_SECONDS = [0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30]
// From a 5 s interval with refreshed pods up to the 24 h that an interval may be.
const PROPAGATION_SECONDS = [0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400]

// From one password to the mebibyte that Kubernetes takes; close steps at the end, where somebody has to act.
const BYTES = [1_024, 4_096, 16_384, 65_536, 262_144, 524_288, 786_432, 943_718, 1_048_576]

// A scrape does not end the measurement: after a block the first answer goes to one whose reader gave up meanwhile.
const DELAY_WINDOW_MS = 60_000

/** What vaults and Entra were asked, and what became of the values. */
export function vaultInstruments(registers: Registry[]) {
	const vaultCalls = new Counter({
		name: 'asb_vault_calls_total',
		help: 'Requests to Key Vault, by vault, kind of call and result',
		labelNames: ['vault', 'kind', 'result'],
		registers,
	})
	const vaultWait = new Histogram({
		name: 'asb_vault_budget_wait_seconds',
		help: 'How long calls to Key Vault waited for their turn, by vault and lane (first, refresh)',
		labelNames: ['vault', 'lane'],
		buckets: WAIT_SECONDS,
		registers,
	})
	const tokenCalls = new Counter({
		name: 'asb_token_calls_total',
		help: 'Requests for tokens, by issuer (kubernetes or entra) and result',
		labelNames: ['issuer', 'result'],
		registers,
	})
	const formSeconds = new Histogram({
		name: 'asb_form_duration_seconds',
		help: 'Time in which values became files in the thread for it, waiting included, by result (formed, known, tooLarge, tooLong, failed)',
		labelNames: ['result'],
		buckets: SECONDS,
		registers,
	})
	return { vaultCalls, vaultWait, tokenCalls, formSeconds }
}

/** What was done for bindings. */
export function deliveryInstruments(registers: Registry[]) {
	const reconciles = new Counter({
		name: 'asb_reconciles_total',
		help: 'Reconciles of bindings, by outcome',
		labelNames: ['outcome'],
		registers,
	})
	const reconcileSeconds = new Histogram({
		name: 'asb_reconcile_duration_seconds',
		help: 'Time of one reconcile, by outcome',
		labelNames: ['outcome'],
		buckets: SECONDS,
		registers,
	})
	const propagation = new Histogram({
		name: 'asb_propagation_seconds',
		help: 'Time from the change in the vault (its updated time, whole seconds) until it was applied in the cluster',
		buckets: PROPAGATION_SECONDS,
		registers,
	})
	const secretWrites = new Counter({
		name: 'asb_secret_writes_total',
		help: 'Writes to Kubernetes Secrets, by operation and result',
		labelNames: ['operation', 'result'],
		registers,
	})
	const secretBytes = new Histogram({
		name: 'asb_secret_bytes',
		help: 'Size of Kubernetes Secrets as written, all values together; Kubernetes takes 1048576',
		buckets: BYTES,
		registers,
	})
	const podRefreshes = new Counter({
		name: 'asb_nudges_total',
		help: 'Pods touched so that the kubelet refreshes their volumes at once, by result',
		labelNames: ['result'],
		registers,
	})
	const events = new Counter({
		name: 'asb_events_total',
		help: 'Kubernetes events, by result (created, counted, dropped, failed)',
		labelNames: ['result'],
		registers,
	})
	return { reconciles, reconcileSeconds, propagation, secretWrites, secretBytes, podRefreshes, events }
}

/** Requests to the API server. */
export function apiInstruments(registers: Registry[]) {
	const apiRequests = new Counter({
		name: 'asb_api_requests_total',
		help: 'Requests to the Kubernetes API server, by verb, resource and status',
		labelNames: ['verb', 'kind', 'status'],
		registers,
	})
	const apiSeconds = new Histogram({
		name: 'asb_api_request_duration_seconds',
		help: 'Time of requests to the Kubernetes API server without watches, by verb and resource',
		labelNames: ['verb', 'kind'],
		buckets: SECONDS,
		registers,
	})
	const observeRequest: ObserveRequest = ({ verb, kind, status }, seconds) => {
		apiRequests.inc({ verb, kind, status })
		if (verb !== 'watch') apiSeconds.observe({ verb, kind }, seconds)
	}
	return { observeRequest }
}

/** States and faults of watches. */
export function watchInstruments(registers: Registry[]) {
	const watchState = new Gauge({
		name: 'asb_watch_state',
		help: 'Watches that are in the state (Empty, InitPage, InitListed, Watching); one watch for each of --namespaces',
		labelNames: ['kind', 'state'],
		registers,
	})
	const watchFaults = new Counter({
		name: 'asb_watch_faults_total',
		help: 'Faults of watches and their lists, by kind of fault',
		labelNames: ['kind', 'fault'],
		registers,
	})
	const watchRelists = new Counter({
		name: 'asb_watch_relists_total',
		help: 'Lists after the first one, by reason (periodic, expired)',
		labelNames: ['kind', 'reason'],
		registers,
	})
	const watchMissed = new Counter({
		name: 'asb_watch_missed_total',
		help: 'Changes that only a relist showed, by change (applied, deleted); should stay 0',
		labelNames: ['kind', 'change'],
		registers,
	})
	/** The observer for one `watchCollection`; several watches of one resource have one each. */
	const watchObserver = (kind: string): Required<WatchObserver> => {
		let before: string | undefined
		// 0 at first: a series that is not there cannot be told from one that nobody scraped.
		for (const state of ['Empty', 'InitPage', 'InitListed', 'Watching']) watchState.inc({ kind, state }, 0)
		const moveTo = (now: string) => {
			if (before !== undefined) watchState.dec({ kind, state: before })
			watchState.inc({ kind, state: now })
			before = now
		}
		return {
			state: moveTo,
			fault(error) {
				watchFaults.inc({ kind, fault: error === 'shortLived' ? error : error.kind })
			},
			relisted(reason, { applied, deleted }) {
				watchRelists.inc({ kind, reason })
				watchMissed.inc({ kind, change: 'applied' }, applied)
				watchMissed.inc({ kind, change: 'deleted' }, deleted)
			},
		}
	}
	return { watchObserver }
}

/** The queue, read at each scrape. */
export function queueInstruments(registers: Registry[]) {
	let queue: QueueGauges | undefined
	const queueGauge = (name: string, help: string, read: (queue: QueueGauges) => number) =>
		new Gauge({
			name,
			help,
			registers,
			collect() {
				this.set(queue ? read(queue) : 0)
			},
		})
	queueGauge('asb_queue_depth', 'Bindings that wait for a worker', (q) => q.depth)
	queueGauge('asb_queue_delayed', 'Bindings that wait for their time', (q) => q.delayed)
	queueGauge('asb_queue_running', 'Bindings being reconciled', (q) => q.running)
	queueGauge('asb_queue_oldest_seconds', 'How long the longest waiting binding has waited', (q) => q.oldestMs / 1000)
	const queueWait = new Histogram({
		name: 'asb_queue_wait_seconds',
		help: 'How long bindings waited for a worker after their time had come',
		buckets: SECONDS,
		registers,
	})
	const latePolls = new Counter({
		name: 'asb_late_polls_total',
		help: 'Polls of bindings that ended two intervals and more after the one before, by cause (workers, vault)',
		labelNames: ['by'],
		registers,
	})
	return {
		queueWait,
		latePolls,
		/** The queue to read at each scrape. */
		setQueue(next: QueueGauges): void {
			queue = next
		},
	}
}

/** Delay of the event loop. */
export function loopInstruments(registers: Registry[], clock: Clock) {
	// 20 ms is fine enough for what matters (a renewal missed by seconds) and costs nothing measurable.
	const delay = monitorEventLoopDelay({ resolution: 20 })
	delay.enable()
	// A histogram without samples answers NaN and 2^63 to these questions.
	const delays = () =>
		delay.count > 0 ? ([delay.percentile(50), delay.percentile(99), delay.max] as const) : ([0, 0, 0] as const)
	let before = delays()
	let since = clock.monotonic()
	new Gauge({
		name: 'asb_event_loop_delay_seconds',
		help: 'Delay of the event loop in the last minute or two, by quantile; a blocked loop loses the lease',
		labelNames: ['quantile'],
		registers,
		collect() {
			const now = delays()
			for (const [i, quantile] of ['0.5', '0.99', '1'].entries())
				this.set({ quantile }, Math.max(before[i] ?? 0, now[i] ?? 0) / 1e9)
			if (clock.monotonic() - since < DELAY_WINDOW_MS) return
			before = now
			since = clock.monotonic()
			delay.reset()
		},
	})
	return {
		/** Ends the measurement of the event loop. */
		close(): void {
			delay.disable()
		},
	}
}
