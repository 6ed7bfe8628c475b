import { type ParsedBinding, parseBinding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { createMemory, type Memory } from '../controllers/memory.ts'
import type { Nudger } from '../controllers/nudge.ts'
import { isAsked, type SyncDeps, sync } from '../controllers/sync.ts'
import { warnOfFixed } from '../controllers/warn.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Bindings } from '../ports/cluster.ts'
import type { EventRecorder } from '../runtime/events.ts'
import type { Logger } from '../runtime/log.ts'
import { conditionOf } from '../status/outage.ts'
import { summarize } from '../status/summarize.ts'
import type { Outages } from './outages.ts'
import { type Present, presentStatus, type Reported, report } from './report.ts'

/** A binding as the watch delivers it. */
export interface BindingObject {
	metadata: {
		namespace?: string
		name: string
		uid?: string
		resourceVersion?: string
		generation?: number
		deletionTimestamp?: string
		annotations?: Record<string, string>
	}
	status?: { conditions?: unknown }
}

export interface ReconcileDeps extends Omit<SyncDeps, 'startedAt'> {
	/** the binding as the watch last showed it; undefined when it is gone */
	read(key: string): BindingObject | undefined
	bindings: Bindings
	nudger: Nudger
	events: EventRecorder
	outages: Outages
	/** until when operators before this one may have worked, milliseconds since the epoch; undefined: unknown */
	workedUntil: number | undefined
	log: Logger
	random: () => number
}

export interface Reconciler {
	/**
	 * Brings one binding forward. @returns milliseconds until it wants to be called again, undefined for never
	 * @throws what the queue should back off for: the API server away, a lost race, a bug
	 */
	reconcile(key: string, signal: AbortSignal): Promise<number | undefined>
}

/**
 * A reconcile gets a key and looks at what is true now; it does not know why it was called. Our own status writes call it as
 * well, so each step asks by itself whether it is due: nudges by their time, looks by theirs, by generation and by request.
 */
export function createReconciler(given: ReconcileDeps): Reconciler {
	const { clock, log } = given
	const deps = { ...given, startedAt: { now: clock.now(), monotonic: clock.monotonic() } }
	const memories = new Map<string, Memory>()

	return {
		async reconcile(key, signal) {
			const object = deps.read(key)
			const identity = object && reportedOf(object)
			if (!identity || object.metadata.deletionTimestamp !== undefined) {
				memories.delete(key)
				deps.vaults.leave(key)
				deps.observer.gone(key)
				deps.outages.gone(key)
				return undefined
			}
			let memory = memories.get(key)
			if (memory?.uid !== identity.uid) {
				memory = createMemory(identity.uid)
				memories.set(key, memory)
			}
			const parsed = parseBinding(object)
			const previous = presentStatus(identity, parsed.status, memory)
			if (isLookDue(parsed, previous.status, memory, clock.monotonic()))
				await look(identity, parsed, previous, memory, signal)
			await nudge(parsed, memory, signal)
			return nextCall(memory, clock.monotonic())
		},
	}

	async function look(
		object: Reported,
		parsed: ParsedBinding,
		present: Present,
		memory: Memory,
		signal: AbortSignal,
	): Promise<void> {
		const started = clock.monotonic()
		const { status: previous } = present
		let outcome: Outcome
		switch (parsed.kind) {
			case 'suspended':
				deps.vaults.leave(`${object.namespace}/${object.name}`)
				outcome = { kind: 'suspended' }
				break
			case 'invalid':
				deps.vaults.leave(`${object.namespace}/${object.name}`)
				outcome = { kind: 'invalid', problem: parsed.problem }
				break
			case 'active':
				outcome = await sync(parsed.binding, previous, memory, deps, signal)
				// Before the status: pods wait for it, and a status can wait a moment.
				await nudge(parsed, memory, signal)
		}
		const binding = parsed.kind === 'active' ? parsed.binding : undefined
		const at = clock.monotonic()
		const summary = summarize({
			outcome,
			spec: binding && {
				secrets: binding.secrets,
				secretName: binding.delivery.name,
				selects: binding.select.length > 0,
				name: binding.name,
				interval: binding.interval,
				staleAfter: binding.staleAfter,
				requested: binding.requested,
			},
			generation: binding?.generation ?? (parsed.kind === 'active' ? 0 : parsed.generation),
			previous,
			track: memory.track,
			workedUntil: deps.workedUntil,
			now: clock.now(),
			at,
			random: deps.random(),
		})
		await report(object, present, summary, memory, deps)
		memory.track = summary.track
		memory.generation = binding?.generation ?? (parsed.kind === 'active' ? undefined : parsed.generation)
		memory.requested = binding?.requested ?? memory.requested
		memory.overrides = binding?.overrides ?? memory.overrides
		memory.wholeLookAt = summary.wholeLookAt ?? Number.POSITIVE_INFINITY
		memory.nextLookAt = summary.nextLookAt ?? Number.POSITIVE_INFINITY
		const fresh = conditionOf(summary.status, 'Fresh')
		deps.outages.reported(`${object.namespace}/${object.name}`, outcome, {
			before: conditionOf(previous, 'Fresh'),
			after: fresh,
		})
		log[summary.level](
			{
				binding: `${object.namespace}/${object.name}`,
				outcome: outcome.kind,
				...(outcome.kind === 'failed' ? { fault: outcome.fault.kind } : {}),
				reason: fresh?.reason,
				synced: summary.status.synced,
				...(outcome.kind === 'looked' && outcome.changed ? { versions: versionsOf(summary.status) } : {}),
			},
			'reconciled',
		)
		deps.observer.reconciled(`${object.namespace}/${object.name}`, outcome, summary.status, (at - started) / 1000)
	}

	async function nudge(parsed: ParsedBinding, memory: Memory, signal: AbortSignal): Promise<void> {
		const { nudge: pending } = memory
		if (!pending || pending.dueAt > clock.monotonic()) return
		if (parsed.kind !== 'active' || !parsed.binding.delivery.refreshPods) {
			memory.nudge = undefined
			return
		}
		const { binding } = parsed
		memory.nudge = await deps.nudger.run(binding, pending, signal, (pod, uses) =>
			warnOfFixed(binding, pod, uses, memory, deps.events),
		)
	}
}

function reportedOf({ metadata }: BindingObject): Reported | undefined {
	const { namespace, name, uid, resourceVersion } = metadata
	return namespace && uid && resourceVersion ? { namespace, name, uid, resourceVersion } : undefined
}

function isLookDue(parsed: ParsedBinding, previous: BindingStatus, memory: Memory, at: number): boolean {
	if (memory.nextLookAt === undefined || at >= memory.nextLookAt) return true
	if (parsed.kind !== 'active') return memory.generation !== parsed.generation
	return isAsked(parsed.binding, previous, memory)
}

// Nothing that is due now is left undone, so this only keeps a mistake of ours from spinning: a busy loop loses the lease.
const MIN_CALL_MS = 50

function nextCall({ nextLookAt, nudge }: Memory, at: number): number | undefined {
	const next = Math.min(nextLookAt ?? at, nudge?.dueAt ?? Number.POSITIVE_INFINITY)
	return next === Number.POSITIVE_INFINITY ? undefined : Math.max(next - at, MIN_CALL_MS)
}

const versionsOf = ({ secrets = [] }: BindingStatus) =>
	Object.fromEntries(secrets.map(({ name, version }) => [name, version]))
