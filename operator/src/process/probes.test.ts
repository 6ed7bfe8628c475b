import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Probes, startProbes } from './probes.ts'

let probes: Probes
let live: string | undefined
let ready: string | undefined
let text: () => Promise<string>

beforeEach(async () => {
	live = undefined
	ready = 'not synced'
	text = async () => 'asb_x 1\n'
	probes = await startProbes({
		port: 0,
		host: '127.0.0.1',
		live: () => live,
		ready: () => ready,
		metrics: { contentType: 'text/plain; version=0.0.4', text: () => text() },
	})
})
afterEach(() => probes.close())

const get = async (path: string, method = 'GET') => {
	const response = await fetch(`http://127.0.0.1:${probes.port}${path}`, { method })
	return [response.status, await response.text()]
}

test('live and ready are asked at each request, and a reason is 503', async () => {
	expect(await get('/healthz')).toEqual([200, 'ok\n'])
	expect(await get('/readyz?verbose')).toEqual([503, 'not synced\n'])
	ready = undefined
	live = 'stuck'
	expect(await get('/readyz')).toEqual([200, 'ok\n'])
	expect(await get('/healthz')).toEqual([503, 'stuck\n'])
})

test('metrics come with their content type, and their failure is an answer', async () => {
	const response = await fetch(`http://127.0.0.1:${probes.port}/metrics`)
	expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4')
	expect(await response.text()).toBe('asb_x 1\n')
	text = () => Promise.reject(new Error('hunter2'))
	expect(await get('/metrics')).toEqual([500, 'metrics failed\n'])
})

test('anything else is refused', async () => {
	expect((await get('/'))[0]).toBe(404)
	expect((await get('/healthz', 'POST'))[0]).toBe(405)
})

test('a port in use is an error at start', async () => {
	const again = startProbes({
		...{ live: () => undefined, ready: () => undefined },
		host: '127.0.0.1',
		port: probes.port,
		metrics: { contentType: '', text },
	})
	await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' })
})

test.each(['port', 'healthPort'] as const)('a hundred idle connections to %s keep nobody out', async (of) => {
	const apart = await startProbes({
		port: 0,
		healthPort: 0,
		host: '127.0.0.1',
		live: () => undefined,
		ready: () => undefined,
		metrics: { contentType: 'text/plain', text: async () => 'asb_x 1\n' },
	})
	const idle: Socket[] = []
	let open = 0
	try {
		expect(apart.port).not.toBe(apart.healthPort)
		for (let i = 0; i < 100; i++) {
			const socket = connect(apart[of], '127.0.0.1')
			open++
			socket.on('error', () => {}).on('close', () => open--)
			idle.push(socket)
		}
		for (const [port, path] of [
			[apart.healthPort, '/healthz'],
			[apart.healthPort, '/readyz'],
			[apart.port, '/metrics'],
		] as const) {
			const response = await fetch(`http://127.0.0.1:${port}${path}`)
			expect([response.status, response.headers.get('connection')]).toEqual([200, 'close'])
		}
		expect((await fetch(`http://127.0.0.1:${apart.port}/healthz`)).status).toBe(404)
		await expect.poll(() => open).toBeLessThanOrEqual(16)
	} finally {
		for (const socket of idle) socket.destroy()
		await apart.close()
	}
})

test('a connection that says nothing is closed after seconds', async () => {
	const apart = await startProbes({
		port: 0,
		healthPort: 0,
		host: '127.0.0.1',
		live: () => undefined,
		ready: () => undefined,
		metrics: { contentType: 'text/plain', text: async () => '' },
	})
	const socket = connect(apart.healthPort, '127.0.0.1').on('error', () => {})
	await new Promise((resolve) => socket.once('close', resolve))
	await apart.close()
}, 20_000)

test('metrics with authorisation are for those who may', async () => {
	const asked: string[] = []
	const guarded = await startProbes({
		port: 0,
		host: '127.0.0.1',
		live: () => undefined,
		ready: () => undefined,
		metrics: { contentType: 'text/plain', text: async () => 'asb_x 1\n' },
		authorize: async (token) => {
			asked.push(token)
			return token === 'good' ? 'yes' : token === 'poor' ? 'no' : token === 'away' ? 'unknown' : 'unauthenticated'
		},
	})
	const scrape = async (authorization?: string) =>
		(await fetch(`http://127.0.0.1:${guarded.port}/metrics`, { headers: authorization ? { authorization } : {} }))
			.status
	expect(await scrape()).toBe(401)
	expect(await scrape('Basic good')).toBe(401)
	expect(asked).toEqual([])
	expect(await scrape('Bearer stranger')).toBe(401)
	expect(await scrape('Bearer poor')).toBe(403)
	expect(await scrape('Bearer away')).toBe(503)
	expect(await scrape('Bearer good')).toBe(200)
	expect((await fetch(`http://127.0.0.1:${guarded.port}/healthz`)).status).toBe(200)
	await guarded.close()
})

test('closing lets a running answer finish and can be asked for twice', async () => {
	let release = () => {}
	text = () =>
		new Promise((resolve) => {
			release = () => resolve('late\n')
		})
	const answer = get('/metrics')
	await expect.poll(() => release.toString()).toContain('resolve')
	const closed = probes.close()
	release()
	expect(await answer).toEqual([200, 'late\n'])
	await closed
	await probes.close()
	await expect(get('/healthz')).rejects.toThrow()
})
