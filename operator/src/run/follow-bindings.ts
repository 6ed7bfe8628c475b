import { PLURAL } from '../api/constants.ts'
import { bindingsPath } from '../cluster/bindings.ts'
import type { KubeTransport } from '../cluster/transport.ts'
import { watchCollection } from '../cluster/watch.ts'
import type { WatchObserver } from '../ports/observe.ts'
import type { Clock } from '../process/clock.ts'
import type { Logger } from '../process/log.ts'
import type { Metrics } from '../process/metrics.ts'
import type { KeyedQueue } from '../process/queue.ts'
import type { Store } from '../process/store.ts'
import type { BindingObject } from './binding-object.ts'

interface FollowOptions {
	/** undefined: all in one watch */
	namespaces?: readonly (string | undefined)[] | undefined
	clock: Clock
	random: () => number
	log: Logger
	metrics: Metrics
}

interface Following {
	store: Store<BindingObject>
	queue: KeyedQueue
	/** all bindings were seen */
	onSynced(): void
}

/** Watches the bindings, in one watch or one for each namespace, and queues what changes. */
export async function followBindings(
	{ namespaces = [undefined], clock, random, log, metrics }: FollowOptions,
	transport: KubeTransport,
	signal: AbortSignal,
	{ store, queue, onSynced }: Following,
): Promise<void> {
	const unsynced = new Set(namespaces)
	const follow = async (namespace: string | undefined) => {
		const path = bindingsPath(namespace)
		const counted = metrics.watchObserver(PLURAL)
		const observer: WatchObserver = {
			...counted,
			fault(error, waitMs) {
				counted.fault(error, waitMs)
				// At most twice a minute, for the watch backs off. A Role that was forgotten shows here.
				if (error !== 'shortLived') log.warn({ path, err: error }, 'bindings not watched')
			},
		}
		const scope = ({ metadata }: BindingObject) => namespace === undefined || metadata.namespace === namespace
		for await (const event of watchCollection<BindingObject>({ transport, path, clock, random, signal, observer })) {
			// Nobody has anything of a binding without a status, so it goes first.
			for (const key of store.apply(event, scope)) queue.add(key, { first: !store.get(key)?.status?.conditions })
			if (event.kind === 'synced' && unsynced.delete(namespace) && unsynced.size === 0) onSynced()
		}
	}
	await Promise.all(namespaces.map(follow))
}
