import type { Demand } from '../ports/vault.ts'

/** What the bindings of a session follow. */
export interface Demands {
	set(binding: string, demand: Demand): void
	delete(binding: string): void
	/** How many distinct secrets are followed by bindings that poll at least every `interval` milliseconds. */
	distinct(interval: number): number
	/** keys of the tags that any binding's selectors name; undefined: all */
	tags(): ReadonlySet<string> | undefined
	readonly size: number
}

export function createDemands(): Demands {
	const demands = new Map<string, Demand>()
	// Each poll asks, and what is followed changes only with a spec or a selection.
	const counts = new Map<number, number>()
	return {
		set(binding, demand) {
			const before = demands.get(binding)
			demands.set(binding, demand)
			if (!before || before.interval !== demand.interval || !sameSet(before.objects, demand.objects)) counts.clear()
		},
		delete(binding) {
			if (demands.delete(binding)) counts.clear()
		},
		distinct(interval) {
			let count = counts.get(interval)
			if (count === undefined) {
				const distinct = new Set<string>()
				for (const demand of demands.values())
					if (demand.interval <= interval) for (const object of demand.objects) distinct.add(object)
				count = distinct.size
				counts.set(interval, count)
			}
			return count
		},
		tags() {
			const named = new Set<string>()
			for (const { tags } of demands.values()) {
				if (!tags) return undefined
				for (const key of tags) named.add(key)
			}
			return demands.size === 0 ? undefined : named
		},
		get size() {
			return demands.size
		},
	}
}

const sameSet = (a: ReadonlySet<string>, b: ReadonlySet<string>) =>
	a.size === b.size && [...a].every((object) => b.has(object))
