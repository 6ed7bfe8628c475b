import { Gauge, type Registry } from 'prom-client'
import type { Clock } from './clock.ts'

/** What one binding adds to the gauges. */
export interface BindingFacts {
	/** conditions with two answers to count; all of bounded vocabulary */
	conditions: readonly { type: string; status: string; reason: string }[]
	/** the earliest expiry among its delivered secrets, milliseconds since the epoch; undefined: none expires */
	expires: number | undefined
}

interface Entry {
	vault: string | undefined
	facts: BindingFacts | undefined
}

export interface BindingMetricsOptions {
	clock: Clock
	registers: Registry[]
	/** no binding uses the vault any more */
	onUnused(vault: string): void
}

/**
 * Gauges that are sums over what is known of each binding. The bindings are keys in here (`namespace/name`) and never labels:
 * a scrape counts them by namespace and condition, so that alerts reach the team, and takes the minimum by namespace and vault.
 */
export function createBindingMetrics({ clock, registers, onUnused }: BindingMetricsOptions) {
	const entries = new Map<string, Entry>()
	// What the vault answered last, to whichever binding. The reason is 'Reachable' or that of the fault.
	const answers = new Map<string, string>()

	new Gauge({
		name: 'asb_bindings',
		help: 'Bindings, by namespace, condition (Ready, Fresh), its status and its reason',
		labelNames: ['namespace', 'condition', 'status', 'reason'],
		registers,
		collect() {
			this.reset()
			for (const [key, { facts }] of entries)
				for (const { type, status, reason } of facts?.conditions ?? [])
					this.inc({ namespace: namespaceOf(key), condition: type, status, reason })
		},
	})
	new Gauge({
		name: 'asb_vault_reachable',
		help: '1 when the vault answered the last poll, 0 with the reason when it did not; a refusal is an answer',
		labelNames: ['vault', 'reason'],
		registers,
		collect() {
			this.reset()
			for (const [vault, reason] of answers) this.set({ vault, reason }, reason === REACHABLE ? 1 : 0)
		},
	})
	new Gauge({
		name: 'asb_vault_earliest_expiry_seconds',
		help: 'Seconds until the first secret of the vault that the namespace is delivered expires; negative when one has',
		labelNames: ['namespace', 'vault'],
		registers,
		collect() {
			this.reset()
			for (const { namespace, vault, expires } of earliest(entries))
				this.set({ namespace, vault }, (expires - clock.now()) / 1000)
		},
	})

	const release = (key: string, vault: string | undefined) => {
		if (vault === undefined) return
		for (const [other, entry] of entries) if (other !== key && entry.vault === vault) return
		answers.delete(vault)
		onUnused(vault)
	}
	return {
		/** The binding reads this vault from now on. */
		bindingUses(key: string, vault: string | undefined): void {
			const before = entries.get(key)
			if (before && before.vault === vault) return
			entries.set(key, { vault, facts: before?.facts && { ...before.facts, expires: undefined } })
			release(key, before?.vault)
		},
		/** What a reconcile of the binding came to. */
		bindingIs(
			key: string,
			{ conditions, expires }: Omit<BindingFacts, 'expires'> & { expires: BindingFacts['expires'] | 'as before' },
		): void {
			const before = entries.get(key)
			const facts = { conditions, expires: expires === 'as before' ? before?.facts?.expires : expires }
			entries.set(key, { vault: before?.vault, facts })
		},
		/** The binding is gone. */
		bindingGone(key: string): void {
			const before = entries.get(key)
			entries.delete(key)
			release(key, before?.vault)
		},
		/** Vaults that bindings read. */
		usedVaults(): ReadonlySet<string | undefined> {
			return new Set([...entries.values()].map(({ vault }) => vault))
		},
		/** The vault answered, or did not for this reason. */
		vaultAnswered(vault: string, fault: string | undefined): void {
			answers.set(vault, fault ?? REACHABLE)
		},
	}
}

const REACHABLE = 'Reachable'

const namespaceOf = (key: string) => key.slice(0, key.indexOf('/'))

interface Expiry {
	namespace: string
	vault: string
	expires: number
}

function earliest(entries: ReadonlyMap<string, Entry>): Iterable<Expiry> {
	const soonest = new Map<string, Expiry>()
	for (const [key, { vault, facts }] of entries) {
		if (vault === undefined || facts?.expires === undefined) continue
		const namespace = namespaceOf(key)
		// Neither holds a blank.
		const id = `${namespace} ${vault}`
		const expires = Math.min(soonest.get(id)?.expires ?? Number.POSITIVE_INFINITY, facts.expires)
		soonest.set(id, { namespace, vault, expires })
	}
	return soonest.values()
}
