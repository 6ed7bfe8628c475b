import type { ParsedBinding } from '../api/parse.ts'
import { bindingsPath, keptOf } from '../cluster/bindings.ts'
import type { KubeTransport } from '../cluster/transport.ts'
import { type KubeObject, watchCollection } from '../cluster/watch.ts'
import { textOfStatus } from '../engine/by-status.ts'
import type { WatchObserver } from '../ports/observe.ts'
import type { Clock, Random } from '../process/clock.ts'

/** A binding as it is now, for one volume of it. */
export interface Followed {
	/** undefined: there is none of that name, or nobody knows yet (`synced`) */
	readonly object: ParsedBinding | undefined
	readonly synced: boolean
	/** counts changes of `object` and `synced` */
	readonly version: number
	/** Monotonic: when its spec, its annotations, or what its status says of the vault, last changed. Answers of before say nothing of it. */
	readonly changedAt: number
	/** Monotonic: from when on answers of the vault will do for a first poll, so that pods that start together share them. */
	since(): number
	/** Resolves when `version` is another one. */
	changed(version: number, signal: AbortSignal): Promise<void>
	release(): void
}

export interface BindingWatches {
	follow(namespace: string, name: string): Followed
	/** Why one more binding cannot be followed; undefined when it can. */
	whyNot(namespace: string, name: string): string | undefined
	/** watches that are open */
	readonly size: number
}

export interface BindingWatchesOptions {
	readonly transport: KubeTransport
	readonly clock: Clock
	readonly random: Random
	readonly signal: AbortSignal
	/** hears of all watches; of their states it is not told, for it would take those of several for one's */
	readonly observer?: Pick<WatchObserver, 'fault' | 'relisted'> | undefined
}

interface Watched {
	users: number
	object: ParsedBinding | undefined
	synced: boolean
	version: number
	changedAt: number
	sharedSince: number
	said: string | undefined
	readonly waiting: Set<() => void>
	readonly ending: AbortController
}

// The pods of a rollout come within seconds, and what a vault said five seconds ago is what a poll would have found: a change
// that falls into them shows in the status, or with the next poll.
const SHARE_MS = 5_000

// Each is a connection to the API server, whether the binding exists or not: a pod names what it likes. 479 of them took 85 MB, measured against
// an API server, so these take 45 of the 384 MiB that this process may have (deploy/kustomize/node). A node has 110 pods by default, and one
// namespace finds 128.
const MAX_WATCHES = 256

type BindingObject = KubeObject & { metadata: { annotations?: Record<string, string>; generation?: number } }

/** One watch for each binding that volumes of this node use, and none for others. */
export function createBindingWatches(options: BindingWatchesOptions): BindingWatches {
	const { clock } = options
	const watches = new Map<string, Watched>()
	const start = (namespace: string, name: string): Watched => {
		const watched: Watched = {
			users: 0,
			object: undefined,
			synced: false,
			version: 0,
			changedAt: clock.monotonic(),
			sharedSince: Number.NEGATIVE_INFINITY,
			said: undefined,
			waiting: new Set(),
			ending: new AbortController(),
		}
		// Ends by its signal alone; what it throws is a bug, and must not pass unseen.
		void watch(options, namespace, name, watched)
		return watched
	}
	return {
		follow(namespace, name) {
			const key = `${namespace}/${name}`
			const watched = watches.get(key) ?? start(namespace, name)
			watches.set(key, watched)
			watched.users++
			let isReleased = false
			return viewOf(watched, clock, () => {
				if (isReleased) return
				isReleased = true
				if (--watched.users > 0) return
				watches.delete(key)
				watched.ending.abort()
			})
		},
		// One that many name gets another while more are free than it has, so every other one finds some.
		whyNot(namespace, name) {
			if (watches.has(`${namespace}/${name}`)) return undefined
			const own = [...watches.keys()].filter((key) => key.startsWith(`${namespace}/`)).length
			if (own < MAX_WATCHES - watches.size) return undefined
			return `this node follows ${own} bindings of the namespace ${namespace}, of ${watches.size} in all, and no more of it: let pods of fewer bindings run on one node`
		},
		get size() {
			return watches.size
		},
	}
}

function viewOf(watched: Watched, clock: Clock, release: () => void): Followed {
	return {
		get object() {
			return watched.object
		},
		get synced() {
			return watched.synced
		},
		get version() {
			return watched.version
		},
		get changedAt() {
			return watched.changedAt
		},
		since() {
			const now = clock.monotonic()
			if (now - watched.sharedSince > SHARE_MS) watched.sharedSince = now
			return Math.max(watched.sharedSince, watched.changedAt)
		},
		changed(version, signal) {
			if (watched.version !== version || signal.aborted) return Promise.resolve()
			const { promise, resolve } = Promise.withResolvers<void>()
			watched.waiting.add(resolve)
			signal.addEventListener('abort', () => resolve(), { once: true })
			return promise.finally(() => watched.waiting.delete(resolve))
		},
		release,
	}
}

async function watch(options: BindingWatchesOptions, namespace: string, name: string, watched: Watched): Promise<void> {
	const { clock } = options
	const query = { fieldSelector: `metadata.name=${name}` }
	const signal = AbortSignal.any([options.signal, watched.ending.signal])
	// With the library for schemas: before the first volume nobody needs its 9 MB.
	const { parseBinding } = await import('../api/parse.ts')
	const take = (object: BindingObject | undefined) => {
		watched.synced = true
		watched.object = object && parseBinding(keptOf(object))
		watched.version++
		// Annotations ask for a poll, or end its pins: what was read before they came does not answer that.
		const { uid, generation, annotations } = object?.metadata ?? {}
		const said = object && JSON.stringify([uid, generation, annotations, textOfStatus(watched.object?.status ?? {})])
		if (said !== watched.said) watched.changedAt = clock.monotonic()
		watched.said = said
		for (const wake of watched.waiting) wake()
	}
	const path = bindingsPath(namespace)
	const { fault, relisted } = options.observer ?? {}
	const observer = { ...(fault && { fault }), ...(relisted && { relisted }) }
	for await (const event of watchCollection<BindingObject>({ ...options, observer, signal, path, query })) {
		if (event.kind === 'synced') take(event.items[0])
		else take(event.kind === 'applied' ? event.item : undefined)
	}
}
