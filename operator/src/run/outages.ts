import type { EventReason } from '../api/conditions.ts'
import type { Condition } from '../api/schema.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { EventRecorder, EventRegarding } from '../ports/event-recorder.ts'
import { isAway, reachedOf } from '../status/reachable.ts'

/** Tells the outage of a vault once, however many bindings read it. */
export interface Outages {
	/** The binding `key` was reported: what its poll tells of the vault, and how Fresh was and is. */
	reported(key: string, outcome: Outcome, fresh: { before: Condition | undefined; after: Condition | undefined }): void
	/** The binding is gone. */
	gone(key: string): void
}

interface Vault {
	/** bindings that read it, and whether they reached it at their last poll */
	readers: Map<string, boolean>
	/** bindings whose Fresh says that it is away */
	sayAway: Set<string>
	/** `unknown`: this process has seen neither an outage begin nor one end, so one that began before it may still go on */
	state: 'unknown' | 'away' | 'here'
}

/**
 * A vault is away from when the first Fresh turns False for it, which is after the grace of an outage, until the last one
 * that did is polled with success. The vault itself is no object of the cluster: the events are about `regarding`.
 *
 * After a restart conditions tell what was told before: an outage that goes on is not told again, its end is told once.
 */
export function createOutages(events: Pick<EventRecorder, 'record'>, regarding: EventRegarding): Outages {
	const vaults = new Map<string, Vault>()
	const hosts = new Map<string, string>()

	const leave = (key: string) => {
		const host = hosts.get(key)
		const vault = host === undefined ? undefined : vaults.get(host)
		hosts.delete(key)
		if (host === undefined || !vault) return
		vault.readers.delete(key)
		vault.sayAway.delete(key)
		if (vault.readers.size === 0) vaults.delete(host)
		// Nobody is left who would see its end.
		else if (vault.state === 'away' && vault.sayAway.size === 0) vault.state = 'unknown'
	}
	const enter = (key: string, host: string): Vault => {
		if (hosts.get(key) !== host) leave(key)
		hosts.set(key, host)
		const vault = vaults.get(host) ?? {
			readers: new Map<string, boolean>(),
			sayAway: new Set<string>(),
			state: 'unknown',
		}
		vaults.set(host, vault)
		return vault
	}
	const tell = (type: 'Normal' | 'Warning', reason: EventReason, host: string, note: string) =>
		events.record({ regarding, topic: host, type, reason, action: 'Look', note })

	return {
		reported(key, outcome, { before, after }) {
			if (outcome.kind === 'suspended' || outcome.kind === 'invalid') leave(key)
			const reached = reachedOf(outcome)
			if (!reached) return
			const host = new URL(reached.vaultUrl).hostname
			// What a condition said before is about the vault of then.
			const isNew = !hosts.has(key)
			const vault = enter(key, host)
			const inherited = isNew ? isAway(before) : vault.sayAway.has(key)
			vault.readers.set(key, reached.down === undefined)
			if (isAway(after)) {
				vault.sayAway.add(key)
				if (!inherited && vault.state !== 'away') {
					const failing = [...vault.readers.values()].filter((ok) => !ok).length
					const note = `The vault ${host} is not reached (${after.reason}): ${failing} of ${vault.readers.size} bindings that read it could not at their last poll. What they delivered stays.`
					tell('Warning', 'VaultUnreachable', host, note)
				}
				if (!inherited || vault.state === 'unknown') vault.state = 'away'
				return
			}
			if (reached.down !== undefined) return
			vault.sayAway.delete(key)
			const ends = vault.state === 'away' ? vault.sayAway.size === 0 : vault.state === 'unknown' && inherited
			if (!ends) return
			vault.state = 'here'
			tell('Normal', 'VaultReachable', host, `The vault ${host} is reached again.`)
		},
		gone: leave,
	}
}
