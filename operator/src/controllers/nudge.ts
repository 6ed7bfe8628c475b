import { isKubeError } from '../adapters/kube/errors.ts'
import type { Binding } from '../api/parse.ts'
import { type FixedUse, fixedUses, needsNudge, type PodObject } from '../destinations/secret/pods.ts'
import type { Pods } from '../ports/cluster.ts'
import type { Clock } from '../runtime/clock.ts'
import { backoffMs } from '../status/requeue.ts'
import type { PendingNudge } from './memory.ts'

// Each nudge is one etcd write and one sync of a pod; 5,000 of them at once would be felt (kubernetes.md 1.3).
const PER_SECOND = 20
/** The second pass: for a kubelet whose watch of the Secret was slower than that of its pods. */
export const AGAIN_MS = 3_000
// After 91 s the kubelet has refreshed by itself. Longer, for a Secret that was written while the API server was slow.
export const WINDOW_MS = 10 * 60_000
const RETRY_CAP_MS = 60_000

export interface Nudger {
	/**
	 * Tells the pods of one pass.
	 * @param onFixed called with each pod that uses the Secret in a way that no nudge helps: they are seen here anyway
	 * @returns what is left to do, or undefined when the nudge has ended
	 */
	run(
		binding: Binding,
		nudge: PendingNudge,
		signal: AbortSignal,
		onFixed: (pod: PodObject, uses: FixedUse[]) => void,
	): Promise<PendingNudge | undefined>
}

export interface NudgerOptions {
	pods: Pods
	clock: Clock
	random: () => number
	observe: (result: 'ok' | 'gone' | 'failed') => void
	onError: (error: Error, binding: Binding) => void
}

/**
 * Annotates pods so that the kubelet syncs them at once. The first pass writes `<resourceVersion>.1`, the last one the plain
 * resourceVersion: both are changes that the kubelet reacts to, and only the plain one says that the nudge is complete, so
 * that a process that starts in between finishes it.
 */
export function createNudger({ pods, clock, random, observe, onError }: NudgerOptions): Nudger {
	let nextAt = Number.NEGATIVE_INFINITY
	const pace = async (signal: AbortSignal) => {
		const at = Math.max(nextAt, clock.monotonic())
		nextAt = at + 1000 / PER_SECOND
		await clock.sleep(at - clock.monotonic(), signal)
	}
	return {
		async run(binding, nudge, signal, onFixed) {
			const { namespace, delivery } = binding
			const { resourceVersion, pass, writtenAt } = nudge
			const value = pass === 'first' ? `${resourceVersion}.1` : resourceVersion
			try {
				for await (const pod of pods.list(namespace, signal)) {
					const uses = fixedUses(pod, delivery.name)
					if (uses.length > 0) onFixed(pod, uses)
					if (!needsNudge(pod, delivery.name, value, writtenAt)) continue
					await pace(signal)
					observe((await pods.annotate(namespace, pod.metadata.name, value)) ? 'ok' : 'gone')
				}
			} catch (error) {
				if (!isKubeError(error)) throw error
				observe('failed')
				onError(error, binding)
				if (clock.now() - writtenAt > WINDOW_MS) return undefined
				const failures = nudge.failures + 1
				return { ...nudge, failures, dueAt: clock.monotonic() + backoffMs(failures, RETRY_CAP_MS, random()) }
			}
			return pass === 'first' ? { ...nudge, pass: 'last', failures: 0, dueAt: clock.monotonic() + AGAIN_MS } : undefined
		},
	}
}
