import type { KubeError } from '../ports/kube-error.ts'
import { errorFromStatus, isRecord } from './errors.ts'

/** The metadata that the watch itself needs; everything else is the caller's. */
export interface KubeObject {
	metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string }
}

/** One page of a list. */
export interface ListPage<T> {
	items?: T[] | null
	metadata?: { resourceVersion?: string; continue?: string }
}

/** One line of a watch. */
export type RawWatchEvent<T> =
	| { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
	| { type: 'BOOKMARK'; object: { metadata?: { resourceVersion?: string } } }
	| { type: 'ERROR'; object: unknown }

/**
 * What a consumer sees: first a whole collection, then changes, and a whole collection again whenever the thread was lost.
 * `deleted` may never come for an object that vanished meanwhile: it is then missing from the next `synced`.
 */
export type WatchEvent<T> = { kind: 'synced'; items: T[] } | { kind: 'applied'; item: T } | { kind: 'deleted'; item: T }

/** The states of kube-rs' watcher, without its streaming lists. */
export type WatchState<T> =
	/** nothing is known: list from the beginning */
	| { name: 'Empty' }
	/** some pages are here */
	| { name: 'InitPage'; continueToken: string; items: T[] }
	/** everything up to `resourceVersion` is known and no stream is open */
	| { name: 'InitListed'; resourceVersion: string }
	/** a stream is open */
	| { name: 'Watching'; resourceVersion: string }

/** What happened to the request that the present state asked for. */
export type WatchInput<T> =
	| { kind: 'page'; page: ListPage<T> }
	| { kind: 'opened' }
	| { kind: 'line'; event: RawWatchEvent<T> }
	/** the server closed the stream in good order after `livedMs` */
	| { kind: 'ended'; livedMs: number }
	| { kind: 'fault'; error: KubeError }
	/** the relist interval is over */
	| { kind: 'relist' }

export interface WatchStep<T> {
	state: WatchState<T>
	emit?: WatchEvent<T>
	/** wait with backoff before the next request: `fault` says why */
	fault?: KubeError | 'shortLived'
}

// client-go calls a watch that lasted under a second "very short" and treats it as an error, for the same reason: a proxy
// that accepts and closes would otherwise be asked as fast as it answers.
export const SHORT_LIVED_MS = 1_000

/**
 * The watch as a pure function. Every fault has a named next state:
 *
 * | input | Empty, InitPage | InitListed, Watching |
 * |---|---|---|
 * | page, more to come | InitPage | – |
 * | last page | InitListed, `synced` | – |
 * | opened | – | Watching |
 * | ADDED, MODIFIED, DELETED | – | Watching, `applied` or `deleted` |
 * | BOOKMARK | – | Watching, newer resourceVersion |
 * | ended | – | InitListed: resume; with backoff if it was short |
 * | fault 410, as status or in band | Empty: list again, with backoff | the same |
 * | any other fault | unchanged: repeat with backoff | InitListed: resume with backoff |
 * | relist | – | Empty |
 *
 * Inputs that a state cannot have ("–") leave it unchanged.
 */
export function stepWatch<T extends KubeObject>(state: WatchState<T>, input: WatchInput<T>): WatchStep<T> {
	switch (state.name) {
		case 'Empty':
		case 'InitPage':
			return stepListing(state, input)
		case 'InitListed':
		case 'Watching':
			return stepWatching(state, input)
	}
}

type Listing<T> = Extract<WatchState<T>, { name: 'Empty' | 'InitPage' }>
type Listed<T> = Extract<WatchState<T>, { name: 'InitListed' | 'Watching' }>

function stepListing<T extends KubeObject>(state: Listing<T>, input: WatchInput<T>): WatchStep<T> {
	if (input.kind === 'fault') {
		// A continue token lives about as long as etcd keeps history (5 min): an expired one means that the pages no longer fit.
		return { state: input.error.kind === 'gone' ? { name: 'Empty' } : state, fault: input.error }
	}
	if (input.kind !== 'page') return { state }
	const { items, metadata } = input.page
	const all = [...(state.name === 'InitPage' ? state.items : []), ...(items ?? []).map(stripManagedFields)]
	if (metadata?.continue) return { state: { name: 'InitPage', continueToken: metadata.continue, items: all } }
	return {
		state: { name: 'InitListed', resourceVersion: metadata?.resourceVersion ?? '' },
		emit: { kind: 'synced', items: all },
	}
}

function stepWatching<T extends KubeObject>(state: Listed<T>, input: WatchInput<T>): WatchStep<T> {
	const { resourceVersion } = state
	switch (input.kind) {
		case 'opened':
			return { state: { name: 'Watching', resourceVersion } }
		case 'line':
			return stepLine(resourceVersion, input.event)
		case 'ended': {
			const next: WatchStep<T> = { state: { name: 'InitListed', resourceVersion } }
			return input.livedMs < SHORT_LIVED_MS ? { ...next, fault: 'shortLived' } : next
		}
		case 'fault':
			return {
				state: input.error.kind === 'gone' ? { name: 'Empty' } : { name: 'InitListed', resourceVersion },
				fault: input.error,
			}
		case 'relist':
			return { state: { name: 'Empty' } }
		case 'page':
			return { state }
	}
}

function stepLine<T extends KubeObject>(before: string, event: RawWatchEvent<T>): WatchStep<T> {
	switch (event.type) {
		case 'ADDED':
		case 'MODIFIED':
		case 'DELETED': {
			const item = stripManagedFields(event.object)
			return {
				state: { name: 'Watching', resourceVersion: item.metadata.resourceVersion ?? before },
				emit: { kind: event.type === 'DELETED' ? 'deleted' : 'applied', item },
			}
		}
		case 'BOOKMARK':
			return { state: { name: 'Watching', resourceVersion: event.object.metadata?.resourceVersion ?? before } }
		case 'ERROR': {
			const code = isRecord(event.object) && typeof event.object['code'] === 'number' ? event.object['code'] : 500
			const error = errorFromStatus({ request: 'watch', status: code, body: event.object, sensitive: false })
			return stepWatching<T>({ name: 'Watching', resourceVersion: before }, { kind: 'fault', error })
		}
	}
}

/** Half of a typical object's bytes, and of no use to anyone here. */
function stripManagedFields<T extends KubeObject>(item: T): T {
	if (!('managedFields' in item.metadata)) return item
	const { managedFields: _, ...metadata } = item.metadata as T['metadata'] & { managedFields: unknown }
	return { ...item, metadata }
}
