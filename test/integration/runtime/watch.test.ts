import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { KubeTransport } from '../../../operator/src/cluster/transport.ts'
import {
	type KubeObject,
	type WatchCollectionOptions,
	type WatchState,
	watchCollection,
} from '../../../operator/src/cluster/watch.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { createStore, type Store } from '../../../operator/src/process/store.ts'
import { type Api, openApi } from './api.ts'
import { startProxy, type TcpProxy } from './proxy.ts'

interface ConfigMap extends KubeObject {
	data?: Record<string, string>
}

let api: Api
let proxy: TcpProxy
let stop: AbortController
let running: Promise<void>
let store: Store<ConfigMap>
let told: string[]
let state: WatchState<ConfigMap>['name']

beforeAll(async () => {
	api = await openApi()
	proxy = await startProxy(api.address)
})
afterAll(async () => {
	await proxy?.close()
	await api?.close()
})
beforeEach(() => {
	stop = new AbortController()
	running = Promise.resolve()
	store = createStore<ConfigMap>({ key: ({ metadata }) => metadata.name })
	told = []
})
afterEach(async () => {
	stop.abort()
	await running
	proxy.restore()
})

const path = () => `/api/v1/namespaces/${api.namespace}/configmaps`
const create = (name: string, data = {}) =>
	api.transport.request({
		method: 'POST',
		path: path(),
		body: { metadata: { name, labels: { watched: 'yes' } }, data },
	})
const remove = (name: string) => api.transport.request({ method: 'DELETE', path: `${path()}/${name}` })

/** Follows the labelled ConfigMaps of the namespace through the proxy, until the test ends. */
function follow(options: Partial<WatchCollectionOptions> = {}): void {
	const events = watchCollection<ConfigMap>({
		transport: api.connect({ server: proxy.server }),
		path: path(),
		query: { labelSelector: 'watched=yes' },
		clock: systemClock,
		random: Math.random,
		signal: stop.signal,
		backoff: { minMs: 50, maxMs: 1_000, resetAfterMs: 60_000 },
		observer: {
			state: (name) => {
				state = name
			},
			fault: (error) => told.push(error === 'shortLived' ? error : error.kind),
			relisted: (reason, { applied, deleted }) => told.push(`${reason} ${applied} ${deleted}`),
		},
		...options,
	})
	running = (async () => {
		for await (const event of events) {
			store.apply(event)
			told.push(event.kind === 'synced' ? 'synced' : `${event.kind} ${event.item.metadata.name}`)
		}
	})()
}
const until = (look: () => unknown) => expect.poll(look, { timeout: 20_000, interval: 20 })

test('create, patch and delete arrive one by one, without managed fields', async () => {
	follow()
	await until(() => state).toBe('Watching')
	await create('a', { k: '1' })
	await until(() => store.get('a')?.data).toEqual({ k: '1' })
	await api.transport.request({ method: 'PATCH', path: `${path()}/a`, body: { data: { k: '2' } } })
	await until(() => store.get('a')?.data).toEqual({ k: '2' })
	expect(store.get('a')?.metadata).not.toHaveProperty('managedFields')
	await remove('a')
	await until(() => store.get('a')).toBeUndefined()
	expect(told).toEqual(['synced', 'applied a', 'applied a', 'deleted a'])
})

test('a killed connection is resumed without a new list, and nothing is lost', async () => {
	follow()
	await until(() => state).toBe('Watching')
	await create('before')
	await until(() => store.get('before')).toBeDefined()
	proxy.cut()
	await create('meanwhile')
	await remove('before')
	await until(() => told).toContain('unreachable')
	proxy.restore()
	await until(() => store.keys()).toEqual(['meanwhile'])
	expect(told.filter((what) => what === 'synced')).toHaveLength(1)
	await remove('meanwhile')
	await until(() => store.size).toBe(0)
})

test('a half-open connection is noticed by its silence', async () => {
	follow({ inactivityMs: 1_500 })
	await until(() => state).toBe('Watching')
	proxy.freeze()
	await create('unheard')
	await until(() => store.get('unheard')).toBeDefined()
	expect(told).toContain('timeout')
	expect(told.filter((what) => what === 'synced')).toHaveLength(1)
	await remove('unheard')
})

test('a version that the API server does not remember leads to a new list', async () => {
	// Of a resource that exists only since now, no API server remembers version 1.
	const group = `${api.namespace}.test.purista.dev`
	const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
	const schema = { openAPIV3Schema: { type: 'object' } }
	const body = {
		apiVersion: 'apiextensions.k8s.io/v1',
		kind: 'CustomResourceDefinition',
		metadata: { name: `things.${group}` },
		spec: {
			group,
			scope: 'Namespaced',
			names: { plural: 'things', singular: 'thing', kind: 'Thing' },
			versions: [{ name: 'v1', served: true, storage: true, schema }],
		},
	}
	await api.transport.request({ method: 'POST', path: definitions, body })
	try {
		const direct = api.connect()
		const asked: (string | undefined)[] = []
		const forgetful: KubeTransport = {
			...direct,
			stream: (request) => {
				const query = { ...request.query, ...(asked.length === 0 ? { resourceVersion: '1' } : {}) }
				asked.push(query['resourceVersion'])
				return direct.stream({ ...request, query })
			},
		}
		const things = `/apis/${group}/v1/namespaces/${api.namespace}/things`
		await until(async () => (await direct.request<{ kind: string }>({ method: 'GET', path: things })).kind).toBe(
			'ThingList',
		)
		follow({ transport: forgetful, path: things, query: {} })
		await until(() => told).toEqual(['synced', 'gone', 'expired 0 0', 'synced'])
		await until(() => state).toBe('Watching')
		expect(asked).toHaveLength(2)
	} finally {
		await api.transport.request({ method: 'DELETE', path: `${definitions}/things.${group}` })
	}
})

test('a periodic relist finds nothing that the stream did not tell', async () => {
	follow({ relistEveryMs: 400 })
	await until(() => state).toBe('Watching')
	for (let i = 0; i < 20; i++) {
		await create(`r${i}`)
		if (i % 2) await remove(`r${i}`)
	}
	await until(() => told.filter((what) => what.startsWith('periodic')).length).toBeGreaterThanOrEqual(2)
	await until(() => store.size).toBe(10)
	// A deletion may fall between stream and list; an addition or change never counts wrongly.
	for (const what of told) if (what.startsWith('periodic')) expect(what).toMatch(/^periodic 0 /)
	expect(told.filter((what) => /^(unreachable|timeout|server|other)$/.test(what))).toEqual([])
})

test('a relist counts and mends what a stream did not tell', async () => {
	const direct = api.connect({ server: proxy.server })
	const swallowed: string[] = []
	// A stream that lies: lines about one object never arrive, those after them do.
	async function* without(lines: AsyncGenerator<string, void, undefined>) {
		for await (const line of lines) {
			if (line.includes('"name":"secretive"')) swallowed.push(line)
			else yield line
		}
	}
	const lying: KubeTransport = { ...direct, stream: async (request) => without(await direct.stream(request)) }
	follow({ transport: lying, relistEveryMs: 2_000 })
	await until(() => state).toBe('Watching')
	// The later one shows how far the stream had come: what is older than that and unknown was missed.
	await create('secretive')
	await create('heard')
	await until(() => told).toContain('applied heard')
	expect(store.get('secretive')).toBeUndefined()
	await until(() => told).toContain('periodic 1 0')
	await until(() => store.get('secretive')).toBeDefined()
	await remove('secretive')
	await until(() => told).toContain('periodic 0 1')
	await until(() => store.get('secretive')).toBeUndefined()
	expect(swallowed.length).toBeGreaterThanOrEqual(2)
	await remove('heard')
})

test('a collection of more than one page arrives as one snapshot', async () => {
	const names = Array.from({ length: 520 }, (_, i) => `page-${i}`)
	const queue = [...names]
	const createAll = async () => {
		for (let name = queue.pop(); name; name = queue.pop()) await create(name)
	}
	await Promise.all(Array.from({ length: 16 }, createAll))
	follow()
	await until(() => store.synced).toBe(true)
	expect(names.filter((name) => !store.get(name))).toEqual([])
	expect(told[0]).toBe('synced')
})
