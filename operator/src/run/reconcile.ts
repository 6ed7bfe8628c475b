import { isSecretBinding } from '../api/deliveries.ts'
import type { ParsedBinding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { type PodRefresher, refreshAfter } from '../destinations/secret/refresh.ts'
import { bytesOf } from '../destinations/secret/secret-object.ts'
import { warnOfFixed, warnOfRefused } from '../destinations/secret/warn.ts'
import { isAsked } from '../engine/due.ts'
import type { PassResult } from '../engine/input.ts'
import { holdingOf } from '../engine/knowledge.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Moment } from '../engine/questions.ts'
import type { Bindings, Permissions, Secrets, ServiceAccounts } from '../ports/cluster.ts'
import type { EventRecorder } from '../ports/event-recorder.ts'
import type { Vaults } from '../ports/vault.ts'
import { type Clock, momentOf } from '../process/clock.ts'
import type { Logger } from '../process/log.ts'
import type { Turn } from '../process/queue.ts'
import { type Slices, unsliced } from '../process/slices.ts'
import type { Account } from '../status/commands.ts'
import { conclude, isPollDue } from '../status/conclude.ts'
import { conditionOf } from '../status/outage.ts'
import { atLeastEvery, type Pace, paceAfter } from '../status/pace.ts'
import type { MakeForms } from './answer.ts'
import type { BindingObject } from './binding-object.ts'
import { withGrant } from './grant.ts'
import { isAnythingDue, isOwnWrite, nextCall } from './next-call.ts'
import type { Observer } from './observer.ts'
import type { Outages } from './outages.ts'
import { parser } from './parser.ts'
import { nothingRemembered, type Remembered } from './remembered.ts'
import { type Present, presentStatus, type Reported, report } from './report.ts'
import { runPass } from './run-pass.ts'

export interface ReconcileDeps {
	clock: Clock
	/** measures the time of vaults; default: `clock` */
	networkClock?: Clock | undefined
	/** the binding as the watch last showed it; undefined when it is gone */
	read(key: string): BindingObject | undefined
	vaults: Vaults
	serviceAccounts: ServiceAccounts
	secrets: Secrets
	permissions: Permissions
	makeForms: MakeForms
	bindings: Bindings
	podRefresher: PodRefresher
	events: Pick<EventRecorder, 'record'>
	outages: Outages
	observer: Observer
	/** the operator's own ServiceAccount */
	operator: Account
	/** until when operators before this one may have worked, milliseconds since the epoch; undefined: unknown */
	workedUntil: number | undefined
	/** vaults are asked no more often for one binding, milliseconds; default: as often as it says */
	minIntervalMs?: number | undefined
	log: Logger
	random: () => number
	/** in which the work of the main thread is done; default: at once */
	slices?: Slices | undefined
}

export interface Reconciler {
	/**
	 * Brings one binding forward, with a worker of the queue. @returns milliseconds until it wants to be called again, undefined for never
	 * @throws what the queue should back off for: the API server away, a lost race, a bug
	 */
	reconcile(key: string, signal: AbortSignal, turn: Turn): Promise<number | undefined>
	/** Which vault the binding reads, as far as that is known; undefined: not before its first pass. */
	vaultOf(key: string): string | undefined
}

/**
 * A reconcile gets a key and looks at what is true now; it does not know why it was called. Our own status writes call it as
 * well, so each step asks by itself whether it is due: pod refreshes by their time, polls by theirs, by generation and by
 * request.
 *
 * 1. What is remembered of the binding; of one that was deleted and made anew nothing is. What it shows is not read again when it is
 *    what this process has just written, and nothing is due.
 * 2. When a poll is due: a pass, the pods that it leaves to be told, the status that follows from its outcome.
 * 3. Pods that are due to be told once more.
 */
export function createReconciler(deps: ReconcileDeps): Reconciler {
	const { clock, slices = unsliced } = deps
	const startedAt = momentOf(clock)
	const remembered = new Map<string, Remembered>()
	return {
		async reconcile(key, signal, turn) {
			const object = deps.read(key)
			const reported = object && reportedOf(object)
			if (!reported || object.metadata.deletionTimestamp !== undefined) {
				remembered.delete(key)
				forget(key, deps)
				return undefined
			}
			let now = remembered.get(key)
			if (now?.knowledge.uid !== reported.uid) now = nothingRemembered(reported.uid)
			const keep = (next: Remembered): Remembered => {
				remembered.set(key, next)
				return next
			}
			if (isOwnWrite(reported, now) && !isAnythingDue(now, clock.monotonic())) {
				now = keep({ ...now, written: undefined })
				return nextCall(now, clock.monotonic())
			}
			const parseBinding = await parser()
			const parsed = withMinimum(await slices(reported.namespace, () => parseBinding(object)), deps.minIntervalMs ?? 0)
			const previous = presentStatus(reported, parsed.status, now.written)
			// The watch has it by now.
			if (now.written && previous !== now.written) now = { ...now, written: undefined }
			const asked = parsed.kind === 'active' && isAsked(parsed.binding, previous.status, now.knowledge)
			if (isPollDue(now.knowledge, parsed, asked, momentOf(clock)))
				now = await poll({ reported, parsed, previous, startedAt, turn, keep }, now, deps, signal)
			now = keep(await refreshPods(parsed, now, deps, signal))
			return nextCall(now, clock.monotonic())
		},
		vaultOf: (key) =>
			remembered.get(key)?.knowledge.source?.vaultUrl ?? deps.read(key)?.spec?.vault?.url?.toLowerCase(),
	}
}

const withMinimum = (parsed: ParsedBinding, minIntervalMs: number): ParsedBinding =>
	parsed.kind === 'active' ? { ...parsed, binding: atLeastEvery(parsed.binding, minIntervalMs) } : parsed

interface Polling {
	readonly reported: Reported
	readonly parsed: ParsedBinding
	readonly previous: Present
	readonly startedAt: Moment
	readonly turn: Turn
	/** Keeps what is remembered from now on, whatever happens to the rest of the reconcile. */
	keep(next: Remembered): Remembered
}

async function poll(
	polling: Polling,
	before: Remembered,
	deps: ReconcileDeps,
	signal: AbortSignal,
): Promise<Remembered> {
	const { reported, parsed, previous, keep } = polling
	const { clock, vaults, slices = unsliced } = deps
	const key = `${reported.namespace}/${reported.name}`
	const started = clock.monotonic()
	let now = before
	let outcome: Outcome
	if (parsed.kind === 'active') {
		const result = await runPass(parsed.binding, polling, now.knowledge, deps, signal)
		const wanted = isSecretBinding(parsed.binding) && parsed.binding.delivery.refreshPods
		const refresh = isSecretBinding(parsed.binding)
			? refreshAfter(now.refresh, result, wanted, momentOf(clock), holdingOf(before.knowledge) === undefined)
			: undefined
		now = keep({ ...now, knowledge: result.knowledge, refresh })
		if (result.outcome.kind === 'interrupted') throw result.outcome.error
		outcome =
			result.outcome.kind === 'refused'
				? await withGrant(result.outcome, parsed.binding.delivery.type, deps)
				: result.outcome
		observePass(result, isSecretBinding(parsed.binding), deps)
		// Before the status: pods wait for it, and a status can wait a moment.
		now = keep(await refreshPods(parsed, now, deps, signal))
	} else {
		vaults.leave(key)
		outcome = parsed.kind === 'suspended' ? { kind: 'suspended' } : { kind: 'invalid', problem: parsed.problem }
	}
	const at = momentOf(clock)
	now = { ...now, pace: paceOf(now, parsed, outcome, polling.turn.lateMs, deps) }
	const { slow } = now.pace
	const given = {
		...{ previous: previous.status, workedUntil: deps.workedUntil, at, random: deps.random(), slow },
		nodesRead: true,
	}
	const { summary, knowledge } = await slices(reported.namespace, () => conclude(parsed, outcome, now.knowledge, given))
	const written = await report(reported, previous, summary, deps)
	tell(key, outcome, previous.status, summary, (at.monotonic - started) / 1000, deps)
	return keep({ ...now, knowledge, written: written ?? now.written })
}

/** Only polls that found out what they wanted are compared: what fails is tried again at other times, and told as such. */
function paceOf(
	{ pace }: Remembered,
	parsed: ParsedBinding,
	outcome: Outcome,
	lateMs: number,
	{ clock, networkClock = clock, observer }: ReconcileDeps,
): Pace {
	if (parsed.kind !== 'active' || outcome.kind !== 'polled') return { ...pace, polledAt: undefined }
	// What makes a poll late is work that is done in real time.
	const { isLate, ...next } = paceAfter(pace, networkClock.monotonic(), parsed.binding.interval, lateMs)
	if (isLate) observer.late(next.slow?.by ?? 'vault')
	return next
}

async function refreshPods(
	parsed: ParsedBinding,
	now: Remembered,
	{ clock, podRefresher, events, operator }: ReconcileDeps,
	signal: AbortSignal,
): Promise<Remembered> {
	const { refresh: pending } = now
	if (!pending || pending.dueAt > clock.monotonic()) return now
	const binding = parsed.kind === 'active' ? parsed.binding : undefined
	if (!binding || !isSecretBinding(binding) || !binding.delivery.refreshPods) return { ...now, refresh: undefined }
	let { warned } = now
	const refresh = await podRefresher.run(
		binding,
		pending,
		signal,
		(pod, uses) => {
			warned = warnOfFixed(binding, pod, uses, warned, events)
		},
		(error) => {
			warned = warnOfRefused(binding, error, operator, warned, events)
		},
	)
	return { ...now, refresh, warned }
}

function observePass(
	{ outcome, polled, written, knowledge, propagated }: PassResult,
	isOfSecret: boolean,
	{ observer }: ReconcileDeps,
): void {
	const { source } = knowledge
	if (polled && source && outcome.kind === 'polled') observer.polled(source.vaultUrl)
	// What nodes deliver they measure themselves.
	if (!written || !isOfSecret) return
	observer.written(bytesOf(written.holding))
	for (const seconds of propagated) observer.propagated(seconds)
}

function tell(
	binding: string,
	outcome: Outcome,
	previous: BindingStatus,
	{ status, level }: ReturnType<typeof conclude>['summary'],
	seconds: number,
	{ outages, observer, log }: ReconcileDeps,
): void {
	const fresh = conditionOf(status, 'Fresh')
	outages.reported(binding, outcome, { before: conditionOf(previous, 'Fresh'), after: fresh })
	log[level](
		{
			binding,
			outcome: outcome.kind,
			...(outcome.kind === 'failed' ? { fault: outcome.fault.kind } : {}),
			reason: fresh?.reason,
			synced: status.synced,
			...(outcome.kind === 'polled' && outcome.changed ? { versions: versionsOf(status) } : {}),
		},
		'reconciled',
	)
	observer.reconciled(binding, outcome, status, seconds)
}

function forget(key: string, { vaults, observer, outages }: ReconcileDeps): void {
	vaults.leave(key)
	observer.gone(key)
	outages.gone(key)
}

function reportedOf({ metadata }: BindingObject): Reported | undefined {
	const { namespace, name, uid, resourceVersion } = metadata
	return namespace && uid && resourceVersion ? { namespace, name, uid, resourceVersion } : undefined
}

const versionsOf = ({ secrets = [] }: BindingStatus) =>
	Object.fromEntries(secrets.map(({ name, version }) => [name, version]))
