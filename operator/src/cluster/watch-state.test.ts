import { describe, expect, test } from 'vitest'
import { KubeError } from '../ports/kube-error.ts'
import {
	type KubeObject,
	SHORT_LIVED_MS,
	stepWatch,
	type WatchInput,
	type WatchState,
	type WatchStep,
} from './watch-state.ts'

const a: KubeObject = { metadata: { name: 'a', namespace: 'ns', resourceVersion: '11' } }
const b: KubeObject = { metadata: { name: 'b', namespace: 'ns', resourceVersion: '12' } }
const gone = new KubeError('gone', 'too old')
const busy = new KubeError('throttled', 'slow down', { retryAfterMs: 2_000 })

const Empty: WatchState<KubeObject> = { name: 'Empty' }
const InitPage: WatchState<KubeObject> = { name: 'InitPage', continueToken: 'c1', items: [a] }
const InitListed: WatchState<KubeObject> = { name: 'InitListed', resourceVersion: '20' }
const Watching: WatchState<KubeObject> = { name: 'Watching', resourceVersion: '20' }
const watching = (resourceVersion: string): WatchState<KubeObject> => ({ name: 'Watching', resourceVersion })

type Row = [when: string, WatchState<KubeObject>, WatchInput<KubeObject>, WatchStep<KubeObject>]
const rows: Row[] = [
	[
		'a first page with more to come is kept',
		Empty,
		{ kind: 'page', page: { items: [a], metadata: { continue: 'c1', resourceVersion: '20' } } },
		{ state: InitPage },
	],
	[
		'the last page completes the snapshot',
		InitPage,
		{ kind: 'page', page: { items: [b], metadata: { continue: '', resourceVersion: '20' } } },
		{ state: InitListed, emit: { kind: 'synced', items: [a, b] } },
	],
	[
		'an empty collection is a snapshot too, although Go sends null for it',
		Empty,
		{ kind: 'page', page: { items: null, metadata: { resourceVersion: '20' } } },
		{ state: InitListed, emit: { kind: 'synced', items: [] } },
	],
	[
		'an expired page token starts the list over',
		InitPage,
		{ kind: 'fault', error: gone },
		{ state: Empty, fault: gone },
	],
	['another fault keeps the pages', InitPage, { kind: 'fault', error: busy }, { state: InitPage, fault: busy }],
	['a fault of the first list is repeated', Empty, { kind: 'fault', error: busy }, { state: Empty, fault: busy }],
	['a stream opens', InitListed, { kind: 'opened' }, { state: Watching }],
	[
		'a refused stream is asked for again',
		InitListed,
		{ kind: 'fault', error: busy },
		{ state: InitListed, fault: busy },
	],
	['history gone as a status', InitListed, { kind: 'fault', error: gone }, { state: Empty, fault: gone }],
	[
		'an added object',
		Watching,
		{ kind: 'line', event: { type: 'ADDED', object: a } },
		{ state: watching('11'), emit: { kind: 'applied', item: a } },
	],
	[
		'a modified object',
		Watching,
		{ kind: 'line', event: { type: 'MODIFIED', object: b } },
		{ state: watching('12'), emit: { kind: 'applied', item: b } },
	],
	[
		'a deleted object',
		Watching,
		{ kind: 'line', event: { type: 'DELETED', object: b } },
		{ state: watching('12'), emit: { kind: 'deleted', item: b } },
	],
	[
		'a bookmark moves on without an event',
		Watching,
		{ kind: 'line', event: { type: 'BOOKMARK', object: { metadata: { resourceVersion: '30' } } } },
		{ state: watching('30') },
	],
	[
		'a stream that the server ended after its time is resumed at once',
		Watching,
		{ kind: 'ended', livedMs: SHORT_LIVED_MS },
		{ state: InitListed },
	],
	[
		'a stream that ended at once is resumed with a delay',
		Watching,
		{ kind: 'ended', livedMs: SHORT_LIVED_MS - 1 },
		{ state: InitListed, fault: 'shortLived' },
	],
	['a broken stream is resumed', Watching, { kind: 'fault', error: busy }, { state: InitListed, fault: busy }],
	['the relist is due', Watching, { kind: 'relist' }, { state: Empty }],
	['the relist is due before a stream opened', InitListed, { kind: 'relist' }, { state: Empty }],
	['an input that a state cannot have changes nothing', Empty, { kind: 'opened' }, { state: Empty }],
]

describe('each input has a named next state', () => {
	test.each(rows)('%s', (_, state, input, expected) => {
		expect(stepWatch(state, input)).toEqual(expected)
	})

	test('history gone in band lists again', () => {
		const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }
		const step = stepWatch(Watching, { kind: 'line', event: { type: 'ERROR', object } })
		expect(step.state).toEqual(Empty)
		expect(step.fault).toMatchObject({ kind: 'gone', status: 410 })
	})

	test('another error in band resumes, with the time that it asks for', () => {
		const object = { kind: 'Status', code: 429, message: 'busy', details: { retryAfterSeconds: 5 } }
		const step = stepWatch(Watching, { kind: 'line', event: { type: 'ERROR', object } })
		expect(step.state).toEqual(InitListed)
		expect(step.fault).toMatchObject({ kind: 'throttled', retryAfterMs: 5_000 })
	})

	test('an error in band without sense is a fault of the server', () => {
		const step = stepWatch(Watching, { kind: 'line', event: { type: 'ERROR', object: null } })
		expect(step.fault).toMatchObject({ kind: 'server' })
	})
})

test('managed fields are left out, everything else stays, and the original is not touched', () => {
	const object = {
		metadata: { name: 'a', resourceVersion: '1', managedFields: [{}], labels: { l: '1' } },
		spec: { x: 1 },
	}
	const step = stepWatch<KubeObject>(Watching, { kind: 'line', event: { type: 'ADDED', object } })
	expect(step.emit).toEqual({
		kind: 'applied',
		item: { metadata: { name: 'a', resourceVersion: '1', labels: { l: '1' } }, spec: { x: 1 } },
	})
	expect(object.metadata.managedFields).toHaveLength(1)
})
