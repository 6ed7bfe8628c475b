import type { Pods } from '../../ports/cluster.ts'
import { heedingAbort } from '../../process/abort.ts'
import type { Clock } from '../../process/clock.ts'
import { createSharedAnswers } from '../../process/shared-answers.ts'
import type { PodObject } from './pod-uses.ts'

/** Lists of pods that bindings of one namespace share when they are due at one time. */
export interface SharedPods {
	/**
	 * All pods of a namespace, as they were at `since` (monotonic, milliseconds) or later: whoever asks for one common time shares a
	 * list.
	 */
	list(namespace: string, since: number, signal: AbortSignal): AsyncIterable<PodObject>
}

// A page (cluster/pods.ts), some 25 KB of what is kept of it. Of a larger namespace each binding goes through the pages itself, and none is held.
const MAX_PODS = 50
// What is due at one time is done within seconds, by 32 workers.
const KEEP_MS = 10_000

export function createSharedPods(pods: Pick<Pods, 'list'>, clock: Pick<Clock, 'monotonic'>): SharedPods {
	const shared = createSharedAnswers<readonly PodObject[] | undefined>(clock, KEEP_MS)
	const shortList = async (namespace: string) => {
		const listed: PodObject[] = []
		// Nobody's signal: it is for all who wait. The transport has a deadline.
		for await (const pod of pods.list(namespace, new AbortController().signal)) {
			if (listed.length === MAX_PODS) return undefined
			listed.push(pod)
		}
		return listed
	}
	return {
		async *list(namespace, since, signal) {
			const listed = await heedingAbort(
				shared.ask(namespace, since, () => shortList(namespace)),
				signal,
			)
			yield* listed ?? pods.list(namespace, signal)
		},
	}
}
