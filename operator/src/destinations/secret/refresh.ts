import type { SecretBinding } from '../../api/parse.ts'
import type { PassResult } from '../../engine/input.ts'
import type { Moment } from '../../engine/questions.ts'
import type { Pods } from '../../ports/cluster.ts'
import { isKubeError, type KubeError } from '../../ports/kube-error.ts'
import { type Clock, momentOf } from '../../process/clock.ts'
import { backoffMs } from '../../status/requeue.ts'
import { type FixedUse, fixedUses, needsRefresh, type PodObject } from './pod-uses.ts'
import { seenSecretOf } from './secret-object.ts'
import { createSharedPods } from './shared-pods.ts'

// Each annotation is one etcd write and one sync of a pod; 5,000 of them at once would be felt (FACTS.md#pod-annotations).
const PER_SECOND = 20
/** The second pass: for a kubelet whose watch of the Secret was slower than that of its pods. */
export const AGAIN_MS = 3_000
// After 91 s the kubelet has refreshed by itself. Longer, for a Secret that was written while the API server was slow.
export const WINDOW_MS = 10 * 60_000
const RETRY_CAP_MS = 60_000
/** A binding that many pods mount gives its worker back after this time, and goes on when it is its turn: two of the shortest intervals. */
const TURN_MS = 10_000

// What can wait is due on common times, so that bindings of one namespace share a list of its pods: they are written within seconds when
// they are new together, when an operator starts, and when a secret that they all hold is rotated.
const GRID_MS = 5_000
const AGAIN_GRID_MS = 1_000
const onGrid = (at: number, grid: number) => Math.ceil(at / grid) * grid

/** Pods that still have to be told of a written Secret. */
export interface PendingRefresh {
	readonly resourceVersion: string
	/** when the Secret was written, milliseconds since the epoch */
	readonly writtenAt: number
	/** the first pass comes right after the write, the last one ends it */
	readonly pass: 'first' | 'last'
	/** monotonic, milliseconds */
	readonly dueAt: number
	readonly failures: number
}

/**
 * The pod refresh that a pass leaves to be done: of what it wrote, or of what it found written when this process saw it for
 * the first time, because the process before may have died in between. Pods that say that version already are left alone.
 */
export function refreshAfter(
	before: PendingRefresh | undefined,
	{ firstSeen, written }: Pick<PassResult, 'firstSeen' | 'written'>,
	refreshPods: boolean,
	at: Moment,
	/** this process knew of no Secret before */
	isNew = false,
): PendingRefresh | undefined {
	if (written?.files) {
		const { resourceVersion, writtenAt = at.now } = seenSecretOf(written.holding)
		// No container started with an older one: pods that need it have not started yet, and their kubelet asks for it again by itself.
		// Left are those that run without it (`optional: true`), and what is said of uses that no refresh helps. Both can wait.
		return isNew
			? { resourceVersion, writtenAt, pass: 'last', failures: 0, dueAt: onGrid(at.monotonic + AGAIN_MS, GRID_MS) }
			: { resourceVersion, writtenAt, pass: 'first', failures: 0, dueAt: at.monotonic }
	}
	if (before || !firstSeen || !refreshPods) return before
	const { resourceVersion, writtenAt } = seenSecretOf(firstSeen)
	if (writtenAt === undefined || at.now - writtenAt >= WINDOW_MS) return undefined
	return { resourceVersion, writtenAt, pass: 'last', failures: 0, dueAt: onGrid(at.monotonic, GRID_MS) }
}

/**
 * What is left to do when all pods of a pass were told, there was no time for all (`more`), or one could not be. Undefined:
 * the refresh has ended. Those that were told say so themselves, so whoever goes on needs no list of them.
 */
export function afterPods(
	pending: PendingRefresh,
	result: 'told' | 'more' | 'failed',
	at: Moment,
	random: number,
): PendingRefresh | undefined {
	if (result === 'more') return { ...pending, failures: 0, dueAt: at.monotonic }
	if (result === 'told')
		return pending.pass === 'first'
			? { ...pending, pass: 'last', failures: 0, dueAt: onGrid(at.monotonic + AGAIN_MS, AGAIN_GRID_MS) }
			: undefined
	if (at.now - pending.writtenAt > WINDOW_MS) return undefined
	const failures = pending.failures + 1
	return { ...pending, failures, dueAt: at.monotonic + backoffMs(failures, RETRY_CAP_MS, random) }
}

/**
 * What the annotation says: `<resourceVersion>.1` in the first pass, the plain resourceVersion in the last one. Both are
 * changes that the kubelet reacts to, and only the plain one says that the refresh is complete, so that a process that starts
 * in between finishes it.
 */
export const annotationOf = ({ pass, resourceVersion }: PendingRefresh): string =>
	pass === 'first' ? `${resourceVersion}.1` : resourceVersion

export interface PodRefresher {
	/**
	 * Tells the pods of one pass, so that their kubelet syncs them at once.
	 * @param onFixed called with each pod that uses the Secret in a way that no refresh helps: they are seen here anyway
	 * @param onRefused called when the API server does not allow it
	 * @returns what is left to do, or undefined when the refresh has ended
	 */
	run(
		binding: SecretBinding,
		pending: PendingRefresh,
		signal: AbortSignal,
		onFixed: (pod: PodObject, uses: FixedUse[]) => void,
		onRefused: (error: KubeError) => void,
	): Promise<PendingRefresh | undefined>
}

export interface PodRefresherOptions {
	pods: Pods
	clock: Clock
	random: () => number
	observe: (result: 'ok' | 'gone' | 'failed') => void
	onError: (error: Error, binding: SecretBinding) => void
}

/** Annotates pods, those of all bindings at one pace. */
export function createPodRefresher({ pods, clock, random, observe, onError }: PodRefresherOptions): PodRefresher {
	let nextAt = Number.NEGATIVE_INFINITY
	const shared = createSharedPods(pods, clock)
	const pace = async (signal: AbortSignal) => {
		const at = Math.max(nextAt, clock.monotonic())
		nextAt = at + 1000 / PER_SECOND
		await clock.sleep(at - clock.monotonic(), signal)
	}
	const tell = async (
		{ namespace, delivery }: SecretBinding,
		pending: PendingRefresh,
		signal: AbortSignal,
		onFixed: (pod: PodObject, uses: FixedUse[]) => void,
	) => {
		const value = annotationOf(pending)
		const until = clock.monotonic() + TURN_MS
		for await (const pod of shared.list(namespace, pending.dueAt, signal)) {
			const uses = fixedUses(pod, delivery.name)
			if (uses.length > 0) onFixed(pod, uses)
			if (!needsRefresh(pod, delivery.name, value, pending.writtenAt)) continue
			if (clock.monotonic() >= until) return afterPods(pending, 'more', momentOf(clock), random())
			await pace(signal)
			observe((await pods.annotate(namespace, pod.metadata.name, value)) ? 'ok' : 'gone')
		}
		return afterPods(pending, 'told', momentOf(clock), random())
	}
	return {
		async run(binding, pending, signal, onFixed, onRefused) {
			try {
				return await tell(binding, pending, signal, onFixed)
			} catch (error) {
				if (!isKubeError(error)) throw error
				observe('failed')
				if (error.kind === 'forbidden') onRefused(error)
				onError(error, binding)
				return afterPods(pending, 'failed', momentOf(clock), random())
			}
		},
	}
}
