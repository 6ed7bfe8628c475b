import { type Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { createBindingMetrics } from './binding-metrics.ts'
import type { Clock } from './clock.ts'
import {
	apiInstruments,
	deliveryInstruments,
	loopInstruments,
	queueInstruments,
	vaultInstruments,
	watchInstruments,
} from './instruments.ts'

export interface MetricsOptions {
	clock: Clock
	/** also memory, CPU, handles of the process; default true */
	process?: boolean
	/** Alerts tell operators by `asb_leader`, whatever their scrape job is called; default controller */
	role?: 'controller' | 'node'
}

export type Metrics = ReturnType<typeof createMetrics>

/**
 * All instruments, made once by `main` and passed down. Label values come from our own closed sets, plus names of vaults and
 * namespaces: those are bounded by the bindings of the cluster and end with the last one. Nothing is labelled by binding, secret or object.
 */
export function createMetrics({ clock, process: ofProcess = true, role = 'controller' }: MetricsOptions) {
	const registry = new Registry()
	const registers = [registry]
	if (ofProcess) collectDefaultMetrics({ register: registry })

	const ofVaults = vaultInstruments(registers)
	const { vaultCalls, vaultWait } = ofVaults
	const leader = new Gauge({
		name: 'asb_leader',
		help: '1 while this process holds the lease',
		registers: role === 'controller' ? registers : [],
	})
	leader.set(0)

	const polledAt = new Map<string, number>()
	new Gauge({
		name: 'asb_vault_last_look_age_seconds',
		help: 'Time since the vault was last read successfully',
		labelNames: ['vault'],
		registers,
		collect() {
			this.reset()
			for (const [vault, at] of polledAt) this.set({ vault }, (clock.monotonic() - at) / 1000)
		},
	})

	const bindings = createBindingMetrics({
		clock,
		registers,
		onUnused(vault) {
			polledAt.delete(vault)
			void forget(vaultCalls, vault)
			for (const lane of ['first', 'refresh']) vaultWait.remove({ vault, lane })
		},
	})
	let rates: () => Iterable<readonly [vault: string, perSecond: number]> = () => []
	new Gauge({
		name: 'asb_vault_budget_rate',
		help: 'Calls per second that the vault is asked at most now; falls when it throttles, and comes back by 1 each second',
		labelNames: ['vault'],
		registers,
		collect() {
			this.reset()
			const used = bindings.usedVaults()
			for (const [vault, perSecond] of rates()) if (used.has(vault)) this.set({ vault }, perSecond)
		},
	})

	return {
		contentType: registry.contentType,
		text: () => registry.metrics(),
		leader,
		...ofVaults,
		...deliveryInstruments(registers),
		...apiInstruments(registers),
		...watchInstruments(registers),
		...queueInstruments(registers),
		...loopInstruments(registers, clock),
		...bindings,
		/** The budgets of vaults to read at each scrape. */
		setVaultRates(next: typeof rates): void {
			rates = next
		},
		/** A vault was read successfully just now. */
		polled(vault: string): void {
			polledAt.set(vault, clock.monotonic())
		},
	}
}

/** Ends the series of a vault that no binding uses any more. */
async function forget(counter: Counter<'vault' | 'kind' | 'result'>, vault: string): Promise<void> {
	const { values } = await counter.get()
	for (const { labels } of values) if (labels.vault === vault) counter.remove(labels)
}
