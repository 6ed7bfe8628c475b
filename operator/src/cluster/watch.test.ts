import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { KubeError } from '../ports/kube-error.ts'
import { systemClock } from '../process/clock.ts'
import { type ScriptedServer, startScriptedServer } from './testing/api-server.ts'
import { createKubeTransport, type KubeTransport } from './transport.ts'
import { type KubeObject, type WatchCollectionOptions, watchCollection } from './watch.ts'

let server: ScriptedServer
let transport: KubeTransport
let stop: AbortController
/** what the watch told, in short: events, states, faults, relists */
let heard: string[]

beforeEach(async () => {
	server = await startScriptedServer()
	transport = createKubeTransport({ kubeConfig: server.kubeConfig() })
	stop = new AbortController()
	heard = []
})
afterEach(async () => {
	stop.abort()
	await transport.close()
	await server.close()
})

const path = '/api/v1/configmaps'
// Real time, because the server is real; delays are short, and asserted by what the observer is told.
const quick = { minMs: 1, maxMs: 8, resetAfterMs: 60_000 }

function follow(options: Partial<WatchCollectionOptions> = {}): Promise<void> {
	const events = watchCollection<KubeObject>({
		transport,
		path,
		clock: systemClock,
		random: () => 0,
		signal: stop.signal,
		backoff: quick,
		observer: {
			state: (name) => heard.push(name),
			fault: (error, ms) => heard.push(`fault ${error === 'shortLived' ? error : error.kind} ${ms}`),
			relisted: (reason, { applied, deleted }) => heard.push(`relisted ${reason} ${applied} ${deleted}`),
		},
		...options,
	})
	return (async () => {
		for await (const event of events) {
			const names = event.kind === 'synced' ? event.items.map(nameOf).join(',') : nameOf(event.item)
			heard.push(`${event.kind} ${names}`)
		}
	})()
}

const nameOf = ({ metadata }: KubeObject) => metadata.name
const object = (name: string, resourceVersion: string) => ({ metadata: { name, resourceVersion } })
const listOf = (resourceVersion: string, ...names: string[]) => ({
	json: { metadata: { resourceVersion }, items: names.map((name) => object(name, resourceVersion)) },
})
const line = (type: string, name: string, resourceVersion: string) =>
	`${JSON.stringify({ type, object: object(name, resourceVersion) })}\n`
const hold = { after: 'hold' } as const

test('pages that are too long are asked for in shorter ones: one large binding hides no other', async () => {
	const long = { chunks: [' '.repeat(33 * 1024 * 1024)], after: 'hold' } as const
	server.answer(long, long, listOf('5', 'a'), hold)
	void follow()
	await vi.waitFor(() => expect(heard).toContain('synced a'), { timeout: 30_000 })
	expect(server.seen.slice(0, 3).map(({ query }) => query.get('limit'))).toEqual(['500', '62', '7'])
	expect(heard.filter((each) => each.startsWith('fault'))).toEqual([])
}, 40_000)
const watches = () => server.seen.filter(({ query }) => query.has('watch'))
const untilHeard = (what: string) => vi.waitFor(() => expect(heard).toContain(what), { interval: 5 })

describe('in good weather', () => {
	test('lists by pages of 500, then follows from the version of the list with bookmarks', async () => {
		const page = { json: { metadata: { resourceVersion: '5', continue: 'next' }, items: [object('a', '1')] } }
		server.answer(page, listOf('5', 'b'), { chunks: [line('ADDED', 'c', '6'), line('DELETED', 'a', '7')], ...hold })
		const done = follow({ query: { labelSelector: 'x=y' } })
		await untilHeard('deleted a')
		expect(heard).toEqual(['Empty', 'InitPage', 'InitListed', 'synced a,b', 'Watching', 'applied c', 'deleted a'])
		const [first, second, watch] = server.seen.map(({ query }) => Object.fromEntries(query))
		expect(first).toEqual({ limit: '500', labelSelector: 'x=y' })
		expect(second).toEqual({ limit: '500', labelSelector: 'x=y', continue: 'next' })
		expect(watch).toEqual({
			watch: '1',
			allowWatchBookmarks: 'true',
			resourceVersion: '5',
			timeoutSeconds: '300',
			labelSelector: 'x=y',
		})
		stop.abort()
		await done
	})

	test('a quiet collection counts as watched as soon as the stream is open', async () => {
		server.answer(listOf('5'), hold)
		void follow()
		await untilHeard('Watching')
	})

	test('the abort ends the generator quietly while listing', async () => {
		const done = follow()
		await vi.waitFor(() => expect(server.active).toBe(1))
		stop.abort()
		await done
		await vi.waitFor(() => expect(server.active).toBe(0))
	})

	test('the abort ends the generator quietly while watching', async () => {
		server.answer(listOf('1'), hold)
		const done = follow()
		await untilHeard('Watching')
		stop.abort()
		await done
		await vi.waitFor(() => expect(server.active).toBe(0))
		expect(heard.filter((what) => what.startsWith('fault'))).toEqual([])
	})

	test('the abort ends the generator quietly while it waits to try again', async () => {
		server.answer({ status: 500 })
		const done = follow({ backoff: { minMs: 60_000, maxMs: 60_000, resetAfterMs: 1 } })
		await untilHeard('fault server 60000')
		stop.abort()
		await done
		expect(server.seen).toHaveLength(1)
	})
})

describe('resuming', () => {
	test('a broken stream goes on from the last version told, bookmarks included', async () => {
		const bookmark = `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '42' } } })}\n`
		server.answer(listOf('5', 'a'), { chunks: [line('MODIFIED', 'a', '6'), bookmark], ...hold })
		void follow()
		await untilHeard('applied a')
		server.answer({ chunks: [line('ADDED', 'b', '43')], ...hold })
		watches()[0]?.reset()
		await untilHeard('applied b')
		expect(watches()[1]?.query.get('resourceVersion')).toBe('42')
		expect(heard).toContain('fault unreachable 1')
		expect(heard.filter((what) => what.startsWith('synced'))).toHaveLength(1)
	})

	test('silence on an open connection is noticed and resumed', async () => {
		server.answer(listOf('5'), hold, { chunks: [line('ADDED', 'b', '6')], ...hold })
		void follow({ inactivityMs: 50 })
		await untilHeard('applied b')
		expect(heard).toContain('fault timeout 1')
	})

	test('streams that end at once are asked for with growing delays', async () => {
		server.answer(listOf('5'), {}, {}, {}, {}, {}, { chunks: [line('ADDED', 'b', '6')], ...hold })
		void follow()
		await untilHeard('applied b')
		const delays = heard.filter((what) => what.startsWith('fault'))
		expect(delays).toEqual([1, 2, 4, 8, 8].map((ms) => `fault shortLived ${ms}`))
	})

	test('429, 500, 403 and garbage keep the watch alive, and the time that the server asks for is kept', async () => {
		const busy = { kind: 'Status', code: 429, message: 'busy', details: { retryAfterSeconds: 0.02 } }
		server.answer(
			{ status: 429, json: busy },
			{ status: 403, json: { kind: 'Status', code: 403, message: 'no' } },
			{ chunks: ['<html>'] },
			{ json: { items: [null], metadata: {} } },
			listOf('5'),
			{ status: 500 },
			{ chunks: ['{"type":"ADDED","object":null}\n'] },
			{ chunks: ['not json\n'] },
			{ chunks: [line('ADDED', 'b', '6')], ...hold },
		)
		void follow({ backoff: { minMs: 1, maxMs: 1, resetAfterMs: 60_000 } })
		await untilHeard('applied b')
		expect(heard.filter((what) => what.startsWith('fault'))).toEqual([
			'fault throttled 20',
			'fault forbidden 1',
			'fault server 1',
			'fault server 1',
			'fault server 1',
			'fault server 1',
			'fault server 1',
		])
	})
})

describe('listing again', () => {
	const expired = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }

	test('when history is gone, as a status', async () => {
		server.answer(listOf('5', 'a'), { status: 410, json: expired }, listOf('90', 'b'), hold)
		void follow()
		await untilHeard('synced b')
		expect(heard).toContain('relisted expired 0 0')
	})

	test('when history is gone, in band', async () => {
		const chunk = `${JSON.stringify({ type: 'ERROR', object: expired })}\n`
		server.answer(listOf('5', 'a'), { chunks: [line('ADDED', 'c', '6'), chunk], ...hold }, listOf('90', 'b'), hold)
		void follow()
		await untilHeard('synced b')
		const from = heard.indexOf('applied c')
		expect(heard.slice(from, from + 6)).toEqual([
			'applied c',
			'Empty',
			'fault gone 1',
			'InitListed',
			'relisted expired 0 0',
			'synced b',
		])
		await untilHeard('Watching')
		await vi.waitFor(() => expect(server.active, 'the abandoned stream is closed').toBe(1))
	})

	test('when a page token expired, from the first page', async () => {
		const page = { json: { metadata: { resourceVersion: '5', continue: 'next' }, items: [object('a', '1')] } }
		server.answer(page, { status: 410, json: expired }, listOf('7', 'b'), hold)
		void follow()
		await untilHeard('synced b')
		expect(server.seen[2]?.query.has('continue')).toBe(false)
	})

	test('from time to time, counting what the stream did not tell', async () => {
		server.answer(listOf('5', 'a', 'b'), {
			chunks: [`${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '50' } } })}\n`],
			...hold,
		})
		// b is gone without a word, c came at version 40, which the stream had passed.
		server.answer({ json: { metadata: { resourceVersion: '60' }, items: [object('a', '5'), object('c', '40')] } }, hold)
		void follow({ relistEveryMs: 100 })
		await untilHeard('synced a,c')
		expect(heard).toContain('relisted periodic 1 1')
		expect(heard.filter((what) => what.startsWith('fault'))).toEqual([])
	})
})

test('a consumer that is slow loses nothing and does not look like a silent server', async () => {
	const many = Array.from({ length: 200 }, (_, i) => line('ADDED', `n${i}`, String(i + 6)))
	server.answer(listOf('5'), { chunks: many, ...hold })
	const faults: (KubeError | 'shortLived')[] = []
	let count = 0
	for await (const event of watchCollection<KubeObject>({
		transport,
		path,
		clock: systemClock,
		random: () => 0,
		signal: stop.signal,
		inactivityMs: 100,
		observer: { fault: (error) => faults.push(error) },
	})) {
		if (event.kind !== 'applied') continue
		if (count++ === 0) await systemClock.sleep(200)
		if (count === many.length) break
	}
	expect(count).toBe(200)
	expect(faults).toEqual([])
})
