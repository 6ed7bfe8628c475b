import type { BindingStatus } from '../api/schema.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Metrics } from '../process/metrics.ts'
import type { LateBy } from '../status/pace.ts'
import { earliestExpiry, reachedOf } from '../status/reachable.ts'

/** What the controllers tell to whoever watches the operator. Vaults are URLs here, and host names in the metrics. */
export interface Observer {
	/** the binding `key` reads this vault */
	uses(key: string, vaultUrl: string): void
	/** a poll of the vault found out everything it wanted to know */
	polled(vaultUrl: string): void
	/** a Secret was written; bytes of all its values together */
	written(bytes: number): void
	/** seconds from the change in the vault until it was applied */
	propagated(seconds: number): void
	/** a reconcile came to its end */
	reconciled(key: string, outcome: Outcome, status: BindingStatus, seconds: number): void
	/** two intervals and more lay between two polls of a binding */
	late(by: LateBy): void
	/** the binding is gone */
	gone(key: string): void
}

const hostOf = (vaultUrl: string) => new URL(vaultUrl).hostname

/** Turns what happens into metrics: bounded labels, no name of a binding or secret, no value. */
export function createObserver(metrics: Metrics): Observer {
	return {
		uses: (key, vaultUrl) => metrics.bindingUses(key, hostOf(vaultUrl)),
		polled: (vaultUrl) => metrics.polled(hostOf(vaultUrl)),
		written: (bytes) => metrics.secretBytes.observe(bytes),
		propagated: (seconds) => metrics.propagation.observe(seconds),
		reconciled(key, outcome, { conditions = [] }, seconds) {
			metrics.reconciles.inc({ outcome: outcome.kind })
			metrics.reconcileSeconds.observe({ outcome: outcome.kind }, seconds)
			const reached = reachedOf(outcome)
			if (reached) metrics.vaultAnswered(hostOf(reached.vaultUrl), reached.down)
			if (outcome.kind === 'suspended' || outcome.kind === 'invalid') metrics.bindingUses(key, undefined)
			metrics.bindingIs(key, {
				conditions: conditions.filter(({ type }) => type === 'Ready' || type === 'Fresh'),
				// A poll that failed changes nothing that was delivered.
				expires: outcome.kind === 'polled' ? earliestExpiry(outcome.results) : 'as before',
			})
		},
		late: (by) => metrics.latePolls.inc({ by }),
		gone: (key) => metrics.bindingGone(key),
	}
}
