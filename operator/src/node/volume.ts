import { isVolumeBinding } from '../api/deliveries.ts'
import type { VolumeBinding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import type { WriterLock } from '../destinations/mount/lock.ts'
import type { NodeMemory } from '../destinations/volume/memory.ts'
import type { MountStrategy } from '../destinations/volume/strategy.ts'
import { createVolumeDestination, TakenOver } from '../destinations/volume/volume-destination.ts'
import { isPassDue } from '../engine/by-status.ts'
import { traitsOf } from '../engine/fault.ts'
import { holdingOf, type Knowledge, nothingKnown } from '../engine/knowledge.ts'
import type { Outcome } from '../engine/outcome.ts'
import { pass } from '../engine/pass.ts'
import type { ServiceAccounts } from '../ports/cluster.ts'
import type { Vaults } from '../ports/vault.ts'
import { type Backoff, createBackoff } from '../process/backoff.ts'
import { type Clock, momentOf, type Random } from '../process/clock.ts'
import { describeError } from '../process/log.ts'
import { createAnswer, type MakeForms } from '../run/answer.ts'
import { drive } from '../run/drive.ts'
import { resolveSource } from '../run/resolve-source.ts'
import { conclude } from '../status/conclude.ts'
import { conditionOf } from '../status/outage.ts'
import type { Followed } from './binding-watches.ts'
import { confirmedBy, fillOffline, forgetDenied, keepOffline } from './keep-offline.ts'
import type { VolumeNews, VolumePod } from './news.ts'
import type { Confirmed, OfflineValues } from './offline.ts'
import { bytesToRead, type Reading, startReading } from './reading.ts'
import type { VolumeRequest } from './request.ts'
import { type Following, follow } from './steps.ts'
import type { ValueRoom } from './value-room.ts'
import { whyNot } from './why-not.ts'

export interface VolumeDeps {
	readonly clock: Clock
	readonly random: Random
	readonly serviceAccounts: ServiceAccounts
	readonly vaults: Pick<Vaults, 'session' | 'isAllowed' | 'suffixes'>
	readonly makeForms: MakeForms
	readonly strategy: MountStrategy
	readonly memory: NodeMemory
	readonly offline: OfflineValues
	readonly lock: WriterLock
	readonly room: ValueRoom
	/** whether this process still is the one that serves the node: another one writes to the same volumes otherwise */
	isServing(): Promise<boolean>
	/** whether the volume is still there: no pod that is gone gets one anew */
	isThere(volumeId: string): Promise<boolean>
	onNews(pod: VolumePod, news: VolumeNews): void
	/** following a volume failed in a way that nobody expects; it goes on */
	onFailure(error: unknown): void
}

export interface Volume {
	readonly request: VolumeRequest
	/** everything that the binding asks for is in the volume */
	readonly isDelivered: boolean
	/** why it is not, for people */
	readonly problem: string
	/** Resolves when it is, when this process serves the node no more, when the volume has ended, or when the signal aborts. */
	untilDelivered(signal: AbortSignal): Promise<void>
	/** Resolves when nothing is written any more. */
	stop(): Promise<void>
}

// Who waits for a pod looks at it: what somebody has just mended is found soon, and a vault that is away is asked by one session.
const FIRST_RETRY_MS = 5_000
// Somebody else wrote to the directory, or the API server is away: a moment later it may be well.
const AGAIN_MS = 1_000
// Of all volumes of all nodes together, what asks each second keeps an API server that is busy from coming back.
const API_SERVER = { minMs: AGAIN_MS, maxMs: 30_000, resetAfterMs: 60_000 }
// Nothing that is due now is left undone, so this only keeps a mistake of ours from spinning.
const MIN_MS = 50

interface State {
	readonly request: VolumeRequest
	readonly followed: Followed
	knowledge: Knowledge
	status: BindingStatus
	isDelivered: boolean
	problem: string
	/** undefined: never */
	confirmed?: Confirmed
	/** whether the last step came to a pass */
	isPassed: boolean
	/** how long to wait for it */
	readonly apiServer: Backoff
	/** the last pass failed: what it was answered, and others with it, says nothing of now */
	isAgain: boolean
	/** what was told last, so that it is told once */
	lastNews: string
	/** another process serves the node, or the volume has ended */
	isOver: boolean
	/** calls that wait until it is delivered or over */
	readonly waiting: Set<() => void>
}

/**
 * Follows one volume: the passes of the operator, one after the other, with the pod's own token. A pass begins when the last one
 * said so, or when the binding says something new of the vault or of what it wants.
 *
 * @param isDelivered by an earlier process: the pod runs
 */
export function startVolume(
	request: VolumeRequest,
	followed: Followed,
	isDelivered: boolean,
	deps: VolumeDeps,
): Volume {
	const ending = new AbortController()
	const state: State = {
		request,
		followed,
		knowledge: nothingKnown(''),
		status: {},
		isDelivered,
		problem: 'the volume is being prepared',
		isPassed: false,
		apiServer: createBackoff({ clock: deps.clock, random: deps.random, ...API_SERVER }),
		isAgain: false,
		lastNews: '',
		isOver: false,
		waiting: new Set(),
	}
	const running = follow(following(state, deps, ending.signal), ending.signal).finally(() => followed.release())
	return {
		request,
		get isDelivered() {
			return state.isDelivered
		},
		get problem() {
			return state.problem
		},
		// The kubelet calls for as long as the pod runs: of a call nothing may stay at a promise that lasts as long.
		async untilDelivered(signal) {
			if (state.isDelivered || state.isOver || signal.aborted) return
			const { promise, resolve } = Promise.withResolvers<void>()
			state.waiting.add(resolve)
			signal.addEventListener('abort', () => resolve(), { once: true })
			await promise.finally(() => state.waiting.delete(resolve))
		},
		async stop() {
			ending.abort(new Error('the volume is gone'))
			await running
			end(state, 'the volume was unpublished')
		},
	}
}

function following(state: State, deps: VolumeDeps, signal: AbortSignal): Following {
	const { followed } = state
	const { clock } = deps
	return {
		...deps,
		version: () => followed.version,
		changed: (version, waking) => followed.changed(version, waking),
		isNew: () => isNew(state, deps),
		async step() {
			const wanted = (await step(state, deps, signal)) ?? Number.POSITIVE_INFINITY
			const soonest = clock.monotonic() + MIN_MS
			return Math.max(state.isDelivered ? wanted : Math.min(wanted, soonest + FIRST_RETRY_MS), soonest)
		},
		onServing(isServing) {
			if (isServing) {
				// The other process has written: what the directory holds now is read back by the next pass.
				state.knowledge = { ...state.knowledge, holding: undefined, readBefore: false }
				state.isOver = false
			} else end(state, new TakenOver().message)
		},
		onFailure(error) {
			const { name, code } = describeError(error)
			const message = `The volume could not be written: ${name} ${code ?? ''}`.trim()
			deps.onFailure(error)
			tell(state, deps, { reason: 'VolumeFailed', message })
		},
	}
}

/** Whether the binding says anything that calls for a pass before it is due: not each write of its status does. */
function isNew({ followed, isPassed, knowledge }: State, { clock }: VolumeDeps): boolean {
	const { object } = followed
	if (!isPassed || object?.kind !== 'active') return true
	return isPassDue(knowledge, object.binding, object.status, momentOf(clock))
}

/** @returns monotonic time of the next one; undefined: when the binding changes */
async function step(state: State, deps: VolumeDeps, signal: AbortSignal): Promise<number | undefined> {
	const { followed, request } = state
	state.isPassed = false
	if (!followed.synced) {
		state.problem = `the API server has not shown the binding ${request.namespace}/${request.binding} yet`
		return undefined
	}
	const parsed = followed.object
	const isOurs = parsed?.kind === 'active' && isVolumeBinding(parsed.binding)
	// No pod is started with it any more.
	if (!isOurs) deps.offline.forget(state.knowledge.uid)
	const refused = whyNot(parsed, request)
	if (refused !== undefined) {
		tell(state, deps, { reason: 'VolumeRefused', message: refused })
		return undefined
	}
	if (parsed?.kind !== 'active' || !isVolumeBinding(parsed.binding)) return undefined
	const { binding, status } = parsed
	const reading = startReading({
		room: deps.room,
		reader: { namespace: request.namespace, binding: request.binding, isWaitedFor: !state.isDelivered },
		signal,
	})
	try {
		return await runPass(state, binding, status, reading, deps, signal)
	} finally {
		reading.end()
	}
}

/** Nothing of a binding that was deleted is known of another one of its name. */
function forgetOther(state: State, uid: string, offline: OfflineValues): void {
	if (state.knowledge.uid === uid) return
	offline.forget(state.knowledge.uid)
	state.knowledge = nothingKnown(uid)
}

async function runPass(
	state: State,
	binding: VolumeBinding,
	/** of the binding, as the operator wrote it */
	status: BindingStatus,
	reading: Reading,
	deps: VolumeDeps,
	signal: AbortSignal,
): Promise<number> {
	const { clock, serviceAccounts, vaults, random, offline } = deps
	const { request, followed } = state
	forgetOther(state, binding.uid, offline)
	const since = followed.since()
	const resolved = await resolveSource(binding, serviceAccounts, vaults.isAllowed, since, vaults.suffixes)
	signal.throwIfAborted()
	if (resolved.kind === 'away') {
		tell(state, deps, { reason: 'ApiServerAway', message: resolved.error.message })
		return clock.monotonic() + state.apiServer.next()
	}
	state.apiServer.reset()
	if (resolved.kind === 'refused') {
		offline.forget(binding.uid)
		tell(state, deps, resolved)
		return clock.monotonic() + binding.interval
	}
	const { source } = resolved
	const known = { status, knowledge: state.knowledge, vaultUrl: source.vaultUrl, at: momentOf(clock) }
	const bytes = bytesToRead(binding, known, deps.memory.of(request.volumeId))
	const destination = reading.of(destinationOf(request, binding, deps), bytes)
	const session = vaults.session(source)
	state.isPassed = true
	const input = {
		binding,
		source,
		...{ status, knowledge: state.knowledge, at: known.at, rules: destination.rules },
		// Whenever the binding was made, the first poll takes what other volumes of it were told just now.
		startedAt: { now: Number.POSITIVE_INFINITY, monotonic: since },
		// What changed is learnt from what the operator wrote: it lists the vault once for all nodes.
		learnFrom: { kind: 'status' as const, seenAt: state.isAgain ? since : followed.changedAt },
	}
	state.isAgain = true
	const answer = reading.by(createAnswer({ binding, session, destination, makeForms: deps.makeForms }))
	const result = await drive(pass(input), { clock, signal, answer })
	// As if it had not begun: what the status told, or that the identity is another one, is followed by the next pass.
	if (result.outcome.kind === 'interrupted') {
		if (result.outcome.error instanceof TakenOver) return clock.monotonic() + AGAIN_MS
		tell(state, deps, { reason: 'Interrupted', message: describeError(result.outcome.error).message })
		return clock.monotonic() + AGAIN_MS
	}
	state.isAgain = result.outcome.kind !== 'polled'
	state.knowledge = result.knowledge
	const given = { previous: state.status, workedUntil: undefined, at: momentOf(clock), random: random() }
	const concluded = conclude({ kind: 'active', binding, status: state.status }, result.outcome, state.knowledge, given)
	state.knowledge = concluded.knowledge
	state.status = concluded.summary.status
	state.confirmed = confirmedBy(state.confirmed, result.outcome, reading.objects, binding, known)
	await useOffline(state, result.outcome, { binding, source, destination, offline, now: clock.now(), signal }, deps)
	return state.knowledge.nextPollAt ?? clock.monotonic()
}

/** A pod starts with what the node has kept where the vault is away; what is fresh is kept for the next one. */
async function useOffline(
	state: State,
	outcome: Outcome,
	place: Parameters<typeof fillOffline>[0],
	deps: VolumeDeps,
): Promise<void> {
	const away = outcome.kind === 'failed' && traitsOf(outcome.fault).class === 'transient'
	if (!state.isDelivered && away && (await fillOffline(place, holdingOf(state.knowledge)))) {
		// What the directory holds now is read back by the next pass.
		state.knowledge = { ...state.knowledge, holding: undefined, readBefore: false }
		deliver(state, deps, 'offline')
	}
	judge(state, deps)
	forgetDenied(outcome, place)
	if (outcome.kind === 'polled' && conditionOf(state.status, 'Fresh')?.status === 'True')
		await keepOffline(place, state.confirmed)
}

const destinationOf = ({ volumeId, target, group }: VolumeRequest, { delivery }: VolumeBinding, deps: VolumeDeps) =>
	createVolumeDestination({
		volumeId,
		path: deps.strategy.directoryOf(volumeId, target),
		group,
		mode: delivery.mode,
		memory: deps.memory,
		lock: deps.lock,
		mayWrite: async () => (await deps.isServing()) && (await deps.isThere(volumeId)),
		clock: deps.clock,
	})

/** Whether the pod may start, by what was concluded; and what is told of it. */
function judge(state: State, deps: VolumeDeps): void {
	const ready = conditionOf(state.status, 'Ready')
	const fresh = conditionOf(state.status, 'Fresh')
	if (!state.isDelivered && ready?.status === 'True') deliver(state, deps, 'delivered')
	const trouble = fresh?.status === 'False' ? fresh : ready?.status === 'True' ? undefined : ready
	if (trouble) tell(state, deps, trouble)
	else if (state.lastNews !== '') {
		state.lastNews = ''
		deps.onNews(state.request, { kind: 'fresh' })
	}
}

function deliver(state: State, deps: VolumeDeps, kind: 'delivered' | 'offline'): void {
	state.isDelivered = true
	wake(state)
	deps.onNews(state.request, { kind })
}

function end(state: State, problem: string): void {
	state.problem = problem
	state.isOver = true
	wake(state)
}

const wake = ({ waiting }: State) => {
	for (const each of waiting) each()
}

function tell(state: State, deps: VolumeDeps, { reason, message }: { reason: string; message: string }): void {
	state.problem = message
	// What differs in numbers alone is no news: how full a node is, is another number with each pod.
	const news = `${reason} ${message.replaceAll(/\d+/g, '#')}`
	if (state.lastNews === news) return
	state.lastNews = news
	deps.onNews(state.request, { kind: state.isDelivered ? 'stale' : 'waits', reason, message })
}
