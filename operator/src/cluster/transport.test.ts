import { createServer } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { KubeError } from '../ports/kube-error.ts'
import type { ObserveRequest } from '../ports/observe.ts'
import { type ScriptedServer, startScriptedServer } from './testing/api-server.ts'
import { createKubeTransport, type KubeTransport, PATCH } from './transport.ts'

let server: ScriptedServer
let transport: KubeTransport
const observed: string[] = []
const observe: ObserveRequest = ({ verb, kind, status }) => observed.push(`${verb} ${kind} ${status}`)

beforeEach(async () => {
	server = await startScriptedServer()
	transport = createKubeTransport({ kubeConfig: server.kubeConfig(), observe, userAgent: 'test-agent' })
	observed.length = 0
})
afterEach(async () => {
	await transport.close()
	await server.close()
})

const pods = { method: 'GET', path: '/api/v1/namespaces/ns/pods' } as const
const failure = async (work: Promise<unknown>): Promise<KubeError> => {
	const error = await work.then(
		() => undefined,
		(reason: unknown) => reason,
	)
	if (error instanceof KubeError) return error
	throw new Error('expected a KubeError', { cause: error })
}

describe('requests', () => {
	test('many in a row share their connection, and have a fresh token each', async () => {
		for (let i = 0; i < 50; i++) server.answer({ json: { i } })
		for (let i = 0; i < 50; i++) expect(await transport.request(pods)).toEqual({ i })
		// One, or two when the first answer's connection was not yet free again.
		expect(server.connections).toBeLessThanOrEqual(2)
		expect(new Set(server.seen.map(({ headers }) => headers.authorization)).size).toBe(50)
		expect(server.seen[0]?.headers['user-agent']).toBe('test-agent')
		expect(new Set(observed)).toEqual(new Set(['list pods 200']))
	})

	test('at once have no more connections than the transport may have', async () => {
		const narrow = createKubeTransport({ kubeConfig: server.kubeConfig(), maxConnections: 2 })
		for (let i = 0; i < 20; i++) server.answer({ json: {} })
		const before = server.connections
		await Promise.all(Array.from({ length: 20 }, () => narrow.request(pods)))
		expect(server.connections - before).toBe(2)
		await narrow.close()
	})

	test('send the query, the body and its content type', async () => {
		server.answer({ json: {} }, { json: {} }, { json: {} })
		const path = '/api/v1/namespaces/ns/pods/p'
		await transport.request({ method: 'PATCH', path, query: { fieldManager: 'a&b' }, body: { a: 'ü' } })
		await transport.request({ method: 'PATCH', path, body: {}, contentType: PATCH.apply })
		await transport.request({ method: 'POST', path: '/api/v1/pods', body: {} })
		const [merge, apply, post] = server.seen
		expect([merge?.query.get('fieldManager'), merge?.body]).toEqual(['a&b', '{"a":"ü"}'])
		expect(merge?.headers['content-type']).toBe('application/merge-patch+json')
		expect(apply?.headers['content-type']).toBe('application/apply-patch+yaml')
		expect(post?.headers['content-type']).toBe('application/json')
	})

	// Node's client sends the body of a DELETE without its length, and a server takes it for the next request: preconditions are lost.
	test('a delete carries its preconditions, and the connection goes on', async () => {
		server.answer({ json: {} }, { json: { next: true } })
		const preconditions = { uid: 'u', resourceVersion: '7' }
		await transport.request({ method: 'DELETE', path: '/api/v1/namespaces/ns/secrets/s', body: { preconditions } })
		expect(await transport.request(pods)).toEqual({ next: true })
		expect(server.seen[0]?.body).toBe(JSON.stringify({ preconditions }))
	})

	test('however many watches are open, a request finds a connection', async () => {
		const stop = new AbortController()
		const watched = Array.from({ length: 100 }, async () => {
			const { signal } = stop
			const lines = await transport.stream({ path: pods.path, query: { watch: '1' }, inactivityMs: 60_000, signal })
			const reading = (async () => {
				for await (const line of lines) expect(line).toBe('{}')
			})().catch(() => {})
			return { reading }
		})
		for (let i = 0; i < 100; i++) server.answer({ chunks: ['{}\n'], after: 'hold' })
		const open = await Promise.all(watched)
		server.answer({ json: { there: true } })
		expect(await transport.request({ ...pods, timeoutMs: 5_000 })).toEqual({ there: true })
		stop.abort()
		await Promise.all(open.map(({ reading }) => reading))
	})

	test('a request that finds no connection ends at its deadline', async () => {
		// As many as there are, and nothing answers them.
		const open = Array.from({ length: 64 }, () => transport.request(pods).catch(() => {}))
		await vi.waitFor(() => expect(server.active).toBe(64))
		expect((await failure(transport.request({ ...pods, timeoutMs: 100 }))).kind).toBe('timeout')
		await transport.close()
		await Promise.all(open)
	})

	test('an empty answer is undefined', async () => {
		server.answer({})
		expect(await transport.request(pods)).toBeUndefined()
	})

	test('when the TLS material changes the connections are replaced, and those that are busy finish', async () => {
		const config = server.kubeConfig()
		const rotating = createKubeTransport({ kubeConfig: config })
		const old = rotating.request(pods)
		await vi.waitFor(() => expect(server.active).toBe(1))
		// What a rotated client certificate looks like; there is no TLS on loopback that would read it.
		config.users[0] = { ...config.users[0], name: 'tester', certData: Buffer.from('rotated').toString('base64') }
		const fresh = rotating.request(pods)
		await vi.waitFor(() => expect(server.active).toBe(2))
		server.answer({ json: { first: true } }, { json: { second: true } })
		expect(await Promise.all([old, fresh])).toEqual([{ first: true }, { second: true }])
		expect(server.connections).toBe(2)
		await vi.waitFor(() => expect(server.open, 'the old connection is closed').toBe(1))
		await rotating.close()
	})

	test('a path prefix of the server is kept', async () => {
		const config = new KubeConfig()
		config.loadFromClusterAndUser({ name: 'c', server: `${server.url}/k8s/c-1/`, skipTLSVerify: true }, { name: 'u' })
		const prefixed = createKubeTransport({ kubeConfig: config })
		server.answer({ json: {} })
		await prefixed.request(pods)
		expect(server.seen[0]?.path).toBe('/k8s/c-1/api/v1/namespaces/ns/pods')
		await prefixed.close()
	})
})

describe('faults', () => {
	test('an error status becomes a KubeError with its reason and the time to wait', async () => {
		const json = { kind: 'Status', message: 'slow down', reason: 'TooManyRequests', code: 429 }
		server.answer({ status: 429, json, headers: { 'retry-after': '2' } })
		const error = await failure(transport.request(pods))
		expect(error).toMatchObject({ kind: 'throttled', status: 429, reason: 'TooManyRequests', retryAfterMs: 2_000 })
		expect(error.message).toBe('list /api/v1/namespaces/ns/pods: slow down')
		expect(observed).toEqual(['list pods 429'])
	})

	test('a reset connection is unreachable', async () => {
		server.answer({ after: 'reset' })
		expect(await failure(transport.request(pods))).toMatchObject({ kind: 'unreachable', status: undefined })
		expect(observed).toEqual(['list pods unreachable'])
	})

	test('a body that breaks off is unreachable, not half an object', async () => {
		server.answer({ chunks: ['{"items":['], after: 'reset' })
		expect((await failure(transport.request(pods))).kind).toBe('unreachable')
	})

	test('a refused connection is unreachable and names the code', async () => {
		const free = createServer()
		await new Promise<void>((resolve) => {
			free.listen(0, '127.0.0.1', resolve)
		})
		const address = free.address()
		const port = typeof address === 'object' ? address?.port : undefined
		await new Promise<void>((resolve) => {
			free.close(() => resolve())
		})
		const config = new KubeConfig()
		config.loadFromClusterAndUser({ name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }, { name: 'u' })
		const refused = createKubeTransport({ kubeConfig: config })
		expect(await failure(refused.request(pods))).toMatchObject({ kind: 'unreachable', code: 'ECONNREFUSED' })
		await refused.close()
	})

	test('silence ends at the deadline, before and in the body', async () => {
		expect(await failure(transport.request({ ...pods, timeoutMs: 50 }))).toMatchObject({ kind: 'timeout' })
		server.answer({}, { chunks: ['{'], after: 'hold' })
		expect((await failure(transport.request({ ...pods, timeoutMs: 50 }))).kind).toBe('timeout')
		expect(observed).toEqual(['list pods timeout', 'list pods timeout'])
	})

	test('a byte now and then does not move the deadline', async () => {
		server.answer({ chunks: ['{'], after: 'hold' })
		const dripping = setInterval(() => server.seen[0]?.write(' '), 50)
		try {
			expect((await failure(transport.request({ ...pods, timeoutMs: 400 }))).kind).toBe('timeout')
		} finally {
			clearInterval(dripping)
		}
	})

	test('an answer that is too long is cut, also one that does not say how long it is', async () => {
		const megabyte = ' '.repeat(1024 * 1024)
		server.answer({ chunks: Array.from({ length: 40 }, () => megabyte), after: 'hold' })
		expect(await failure(transport.request(pods))).toMatchObject({ kind: 'server', code: 'TOO_LONG' })
		server.answer({ headers: { 'content-length': String(900 * 1024 * 1024) }, chunks: ['{'], after: 'hold' })
		expect(await failure(transport.request(pods))).toMatchObject({ kind: 'server', code: 'TOO_LONG' })
		await vi.waitFor(() => expect(server.open).toBe(0))
		server.answer({ status: 429, chunks: [megabyte, megabyte], after: 'hold' })
		expect((await failure(transport.request(pods))).kind).toBe('throttled')
	})

	test('nothing packed is asked for, and none is unpacked', async () => {
		server.answer({ headers: { 'content-encoding': 'gzip' }, chunks: ['x'] })
		expect((await failure(transport.request(pods))).message).toContain('the answer is packed')
		expect(server.seen[0]?.headers['accept-encoding']).toBe('identity')
	})

	test('JSON that is nested deep is a fault of the server', async () => {
		server.answer({ chunks: ['{"a":'.repeat(65), '1', '}'.repeat(65)] })
		expect((await failure(transport.request(pods))).message).toContain('nested too deep')
	})

	test('after a silence no idle connection is trusted: they may all be half-open', async () => {
		// Two connections, both idle afterwards.
		const both = Promise.all([transport.request(pods), transport.request(pods)])
		await vi.waitFor(() => expect(server.active).toBe(2))
		server.answer({ json: {} }, { json: {} })
		await both
		expect((await failure(transport.request({ ...pods, timeoutMs: 50 }))).kind).toBe('timeout')
		await vi.waitFor(() => expect(server.open).toBe(0))
		const before = server.connections
		server.answer({ json: { fresh: true } })
		expect(await transport.request(pods)).toEqual({ fresh: true })
		expect(server.connections).toBe(before + 1)
	})

	test('an answer that is not JSON is a fault of the server, and is not quoted', async () => {
		server.answer({ chunks: ['<html>hunter2'] })
		const error = await failure(transport.request(pods))
		expect([error.kind, error.message]).toEqual(['server', 'list /api/v1/namespaces/ns/pods: the answer is not JSON'])
	})

	test("the caller's abort comes back as its own reason, and closes the connection", async () => {
		const stop = new AbortController()
		const reason = new Error('enough')
		const request = transport.request({ ...pods, signal: stop.signal })
		await vi.waitFor(() => expect(server.seen).toHaveLength(1))
		stop.abort(reason)
		await expect(request).rejects.toBe(reason)
		await vi.waitFor(() => expect(server.open).toBe(0))
		expect(observed).toEqual(['list pods aborted'])
	})

	test('a proxy named by the kubeconfig is refused, not passed over', async () => {
		const config = server.kubeConfig()
		Object.assign(config.clusters[0] ?? {}, { proxyUrl: 'http://127.0.0.1:1' })
		const proxied = createKubeTransport({ kubeConfig: config })
		expect((await failure(proxied.request(pods))).message).toContain('proxies are not supported')
		await proxied.close()
	})

	test('authentication that cannot be had is a KubeError too', async () => {
		const config = new KubeConfig()
		const user = { name: 'u', authProvider: { name: 'tokenFile', config: { tokenFile: '/nonexistent/token' } } }
		config.loadFromClusterAndUser({ name: 'c', server: server.url, skipTLSVerify: true }, user)
		const unauthenticated = createKubeTransport({ kubeConfig: config })
		expect(await failure(unauthenticated.request(pods))).toMatchObject({ kind: 'unreachable', code: 'ENOENT' })
		await unauthenticated.close()
	})

	test('nothing of headers, token or body is in an error', async () => {
		const path = '/api/v1/namespaces/ns/secrets/s'
		server.answer({ status: 422, json: { kind: 'Status', message: 'data: Invalid value: "hunter2"', code: 422 } })
		const error = await failure(transport.request({ method: 'PATCH', path, body: { data: { k: 'hunter2' } } }))
		const printed = `${JSON.stringify(error)} ${error.stack} ${Object.values(error).join(' ')}`
		expect(printed).not.toMatch(/hunter2|token-\d/)
	})
})

describe('streams', () => {
	const watch = { path: '/api/v1/pods', query: { watch: '1' }, inactivityMs: 5_000 }

	test('give whole lines, and not one that broke off', async () => {
		server.answer({ chunks: ['{"a"', ':"x"}\n{"b', '":1}\n', '\n{"broken'] })
		const lines: string[] = []
		for await (const line of await transport.stream(watch)) lines.push(line)
		expect(lines).toEqual(['{"a":"x"}', '{"b":1}'])
		expect(observed).toEqual(['watch pods 200'])
	})

	test('a status of 400 and above fails when it is opened', async () => {
		server.answer({ status: 410, json: { kind: 'Status', reason: 'Expired', message: 'too old', code: 410 } })
		expect((await failure(transport.stream(watch))).kind).toBe('gone')
	})

	test('silence on an open connection ends as a timeout; time that the reader takes does not count', async () => {
		server.answer({ chunks: ['{"a":1}\n'], after: 'hold' })
		const lines = await transport.stream({ ...watch, inactivityMs: 100 })
		await lines.next()
		// Longer than the inactivity limit, on the reader's side: the server has answered in time.
		const slow = new Promise((resolve) => {
			setTimeout(resolve, 150)
		})
		await slow
		server.seen[0]?.write('{"b":2}\n')
		expect(await lines.next()).toEqual({ done: false, value: '{"b":2}' })
		expect((await failure(lines.next())).kind).toBe('timeout')
		expect(observed).toEqual(['watch pods timeout'])
	})

	test('a byte now and then is silence: only a line is a sign of life', async () => {
		server.answer({ chunks: ['{"a":1}\n'], after: 'hold' })
		const lines = await transport.stream({ ...watch, inactivityMs: 400 })
		await lines.next()
		const dripping = setInterval(() => server.seen[0]?.write(' '), 50)
		try {
			expect((await failure(lines.next())).kind).toBe('timeout')
		} finally {
			clearInterval(dripping)
		}
	})

	test('a reset is unreachable', async () => {
		server.answer({ chunks: ['{"a":1}\n'], after: 'hold' })
		const lines = await transport.stream(watch)
		await lines.next()
		server.seen[0]?.reset()
		expect((await failure(lines.next())).kind).toBe('unreachable')
	})

	test('leaving the loop closes the connection', async () => {
		server.answer({ chunks: ['{"a":1}\n'], after: 'hold' })
		for await (const line of await transport.stream(watch)) {
			expect(line).toBe('{"a":1}')
			break
		}
		await vi.waitFor(() => expect(server.open).toBe(0))
	})
})

test('a closed transport answers unreachable instead of opening connections again', async () => {
	await transport.close()
	expect((await failure(transport.request(pods))).kind).toBe('unreachable')
	expect(server.connections).toBe(0)
})
