import type { Missed } from '../ports/observe.ts'
import type { KubeObject, WatchEvent } from './watch-state.ts'

/**
 * Counts what a relist catches.
 *
 * 1. Remember the resourceVersion of each object as the stream told it, and how far the stream had come.
 * 2. An object in the new list whose version is not ours, yet not newer than the stream had come, was missed. (Newer ones
 *    changed while no stream was open; that is the ordinary case and counts as nothing.)
 * 3. An object of ours that is not in the list is counted as a missed deletion, if the stream was open until just now. It
 *    may instead have been deleted in the moment between stream and list: nothing in a list tells, so it can be off by that.
 */
export function createRelistCount() {
	let known: Map<string, string> | undefined
	let reached = ''
	return {
		/**
		 * @param seamless the stream was open until the list began
		 * @returns the count, or undefined for the first list ever
		 */
		synced(items: readonly KubeObject[], seamless: boolean): Missed | undefined {
			const listed = new Map(items.map((item) => [keyOf(item), item.metadata.resourceVersion ?? '']))
			const before = known
			known = listed
			const stream = reached
			reached = ''
			if (!before) return undefined
			let applied = 0
			for (const [key, version] of listed) {
				if (before.get(key) !== version && isReached(version, stream)) applied++
			}
			let deleted = 0
			if (seamless) for (const key of before.keys()) if (!listed.has(key)) deleted++
			return { applied, deleted }
		},
		/** Notes how far the stream has come, and what it told. */
		seen(resourceVersion: string, event: WatchEvent<KubeObject> | undefined): void {
			reached = resourceVersion
			if (event?.kind === 'applied') known?.set(keyOf(event.item), event.item.metadata.resourceVersion ?? '')
			if (event?.kind === 'deleted') known?.delete(keyOf(event.item))
		},
	}
}

/** `namespace/name`, or `name` for cluster-scoped objects. */
function keyOf({ metadata }: KubeObject): string {
	return metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name
}

/**
 * Resource versions of one resource are comparable as decimal numbers (promised since Kubernetes 1.35, true long before).
 * Compared as strings by length first, so nothing is rounded; anything that is not a number counts as not comparable.
 */
function isReached(version: string, stream: string): boolean {
	if (!/^\d+$/.test(version) || !/^\d+$/.test(stream)) return false
	return version.length === stream.length ? version <= stream : version.length < stream.length
}
