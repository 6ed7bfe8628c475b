import { KubeError } from '../ports/kube-error.ts'
import type { WatchObserver } from '../ports/observe.ts'
import { linkAbort } from '../process/abort.ts'
import { createBackoff, jitter } from '../process/backoff.ts'
import type { Clock, Random } from '../process/clock.ts'
import { isTooDeep } from '../process/json-depth.ts'
import { isRecord, TOO_LONG } from './errors.ts'
import { MAX_DEPTH } from './lines.ts'
import { createRelistCount } from './relist.ts'
import type { KubeTransport } from './transport.ts'
import {
	type KubeObject,
	type ListPage,
	type RawWatchEvent,
	stepWatch,
	type WatchEvent,
	type WatchInput,
	type WatchState,
	type WatchStep,
} from './watch-state.ts'

export type { KubeObject, WatchEvent, WatchState } from './watch-state.ts'

export interface WatchCollectionOptions {
	transport: KubeTransport
	/** path of the collection, such as `/apis/secrets.purista.dev/v1alpha1/azuresecretbindings` */
	path: string
	clock: Clock
	random: Random
	/** ends the generator, quietly */
	signal: AbortSignal
	/** further query parameters of list and watch, such as `labelSelector` */
	query?: Record<string, string> | undefined
	observer?: WatchObserver | undefined
	/** about how often everything is listed again although the stream is healthy, milliseconds */
	relistEveryMs?: number | undefined
	/** silence after which a stream counts as dead, milliseconds */
	inactivityMs?: number | undefined
	backoff?: { minMs: number; maxMs: number; resetAfterMs: number } | undefined
}

// client-go's reflector page size: etcd and the API server hold one page at a time instead of the collection.
const PAGE_SIZE = 500
// client-go asks for 5 to 10 minutes; the lower end brings a rebalanced control plane back into use sooner. The jitter keeps
// watches that started together from renewing together.
const SERVER_TIMEOUT_S = 300
const JITTER = 0.1
// The API server sends a bookmark about every minute (1 min plus up to 25 %), so silence beyond 100 s is a dead connection.
const INACTIVITY_MS = 100_000
// Safety net against a stream that lies; what it catches is counted. Half an hour of list is nothing to the API server.
const RELIST_EVERY_MS = 30 * 60_000
// kube-rs' default for its watcher: 0.8 s doubling to 30 s, forgotten after two healthy minutes.
const BACKOFF = { minMs: 800, maxMs: 30_000, resetAfterMs: 120_000 }

/**
 * Lists a collection and follows it, through every fault, until `signal` aborts. Yields `synced` first and after each
 * relist, `applied` and `deleted` in between. Items come without `metadata.managedFields`, otherwise as raw JSON. The
 * consumer may be slow: lines wait in the socket meanwhile, and an overfull watch is closed by the server and resumed.
 */
export async function* watchCollection<T extends KubeObject>(
	options: WatchCollectionOptions,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
	const { clock, random, signal, observer = {}, relistEveryMs = RELIST_EVERY_MS } = options
	const backoff = createBackoff({ clock, random, ...(options.backoff ?? BACKOFF) })
	const count = createRelistCount()
	let relistAt = Number.POSITIVE_INFINITY
	const paging = { size: PAGE_SIZE }
	let periodic = false
	let state: WatchState<T> = { name: 'Empty' }
	observer.state?.(state.name)

	while (!signal.aborted) {
		let fault: WatchStep<T>['fault']
		for await (const input of attempt<T>(options, state, relistAt, paging)) {
			const step: WatchStep<T> = stepWatch(state, input)
			if (step.state.name !== state.name) observer.state?.(step.state.name)
			state = step.state
			fault = step.fault
			if (input.kind === 'relist') periodic = true
			if (step.emit?.kind === 'synced') {
				relistAt = clock.monotonic() + jitter(relistEveryMs, JITTER, random)
				const missed = count.synced(step.emit.items, periodic)
				if (missed) observer.relisted?.(periodic ? 'periodic' : 'expired', missed)
				periodic = false
			}
			if (state.name === 'Watching') count.seen(state.resourceVersion, step.emit)
			if (step.emit) yield step.emit
			// A fault told in band ends the stream although it is still open.
			if (fault || signal.aborted) break
		}
		if (fault && !signal.aborted) {
			const asked = fault === 'shortLived' ? 0 : (fault.retryAfterMs ?? 0)
			const wait = Math.max(backoff.next(), asked)
			observer.fault?.(fault, wait)
			// Rejects only by the signal, and the loop looks at that.
			await clock.sleep(wait, signal).catch(() => {})
		}
	}
}

/** Does the one request that `state` asks for and reports what happens to it. Never throws; ends when `signal` aborts. */
async function* attempt<T extends KubeObject>(
	options: WatchCollectionOptions,
	state: WatchState<T>,
	relistAt: number,
	paging: Paging,
): AsyncGenerator<WatchInput<T>, void, undefined> {
	try {
		if (state.name === 'Empty' || state.name === 'InitPage') {
			const continueToken = state.name === 'InitPage' ? state.continueToken : undefined
			yield { kind: 'page', page: await list<T>(options, continueToken, paging) }
		} else {
			yield* follow<T>(options, state.resourceVersion, relistAt)
		}
	} catch (error) {
		if (options.signal.aborted) return
		if (!(error instanceof KubeError)) throw error
		yield { kind: 'fault', error }
	}
}

/** How many items are asked for at once. */
interface Paging {
	size: number
}
// Three tries from 500 to one. Other tenants' bindings must not wait because one's are large.
const SMALLER = 8

async function list<T>(
	{ transport, path, query, signal }: WatchCollectionOptions,
	continueToken: string | undefined,
	paging: Paging,
): Promise<ListPage<T>> {
	const ask = async (): Promise<unknown> => {
		const limit = { limit: String(paging.size), ...(continueToken ? { continue: continueToken } : {}) }
		try {
			return await transport.request<unknown>({ method: 'GET', path, query: { ...query, ...limit }, signal })
		} catch (error) {
			if (!(error instanceof KubeError) || error.code !== TOO_LONG || paging.size === 1) throw error
			paging.size = Math.max(Math.floor(paging.size / SMALLER), 1)
			return ask()
		}
	}
	const page = await ask()
	if (!isRecord(page) || !isRecord(page['metadata']) || !everyObject(page['items'] ?? [])) {
		throw new KubeError('server', `list ${path}: the answer is not a list`)
	}
	return page as ListPage<T>
}

async function* follow<T extends KubeObject>(
	{ transport, path, query, clock, random, signal, inactivityMs = INACTIVITY_MS }: WatchCollectionOptions,
	resourceVersion: string,
	relistAt: number,
): AsyncGenerator<WatchInput<T>, void, undefined> {
	const started = clock.monotonic()
	const { controller, release } = linkAbort(signal)
	let due = false
	// Cuts the stream when the relist is due; it is cut itself when the stream ends first.
	const timer = linkAbort(signal)
	const alarm = clock.sleep(relistAt - started, timer.controller.signal).then(
		() => {
			due = true
			controller.abort()
		},
		() => {},
	)
	try {
		const seconds = Math.round(jitter(SERVER_TIMEOUT_S, JITTER, random))
		const lines = await transport.stream({
			path,
			query: { ...query, watch: '1', allowWatchBookmarks: 'true', resourceVersion, timeoutSeconds: String(seconds) },
			signal: controller.signal,
			inactivityMs,
		})
		try {
			yield { kind: 'opened' }
			for await (const line of lines) yield { kind: 'line', event: parseLine<T>(line) }
		} finally {
			await lines.return()
		}
		yield { kind: 'ended', livedMs: clock.monotonic() - started }
	} catch (error) {
		if (!due || signal.aborted) throw error
		yield { kind: 'relist' }
	} finally {
		// Also closes a stream that was opened and never read.
		controller.abort()
		release()
		timer.controller.abort()
		timer.release()
		await alarm
	}
}

function parseLine<T>(line: string): RawWatchEvent<T> {
	let event: unknown
	try {
		if (!isTooDeep(line, MAX_DEPTH)) event = JSON.parse(line)
	} catch {
		// Falls through: the parser's message would quote the line.
	}
	if (isRecord(event) && EVENT_TYPES.has(event['type']) && (event['type'] === 'ERROR' || isObject(event['object']))) {
		return event as RawWatchEvent<T>
	}
	throw new KubeError('server', 'watch: a line is not an event')
}

const EVENT_TYPES: ReadonlySet<unknown> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'])

// A proxy's or a broken server's answer must end in backoff like any other fault, never in a TypeError further in.
function isObject(value: unknown): boolean {
	return isRecord(value) && isRecord(value['metadata'])
}

function everyObject(value: unknown): boolean {
	return Array.isArray(value) && value.every(isObject)
}
