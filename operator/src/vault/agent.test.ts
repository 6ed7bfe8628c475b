import { once } from 'node:events'
import { type Agent, get, type RequestOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, expect, it, vi } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import { type Asker, createVaultAgent } from './agent.ts'
import { ask, faultOf, useTenant } from './testing/tenant.ts'

const tenant = useTenant()

// Each of ten reads has a deadline, and a busy machine takes longer for what is between.
vi.setConfig({ testTimeout: 60_000 })

afterEach(() => {
	vi.unstubAllEnvs()
})

// Longer than any test.
const LONG_MS = 600_000
const WAIT = { timeout: 20_000 }

const freeOf = (agent: Agent) => Object.values(agent.freeSockets).flat()

/** One request, whose answer says that it has no token. */
function call(agent: Agent, asker: Asker = {}): Promise<string> {
	const { hostname } = new URL(tenant.key.vaultUrl)
	const to = { agent, host: '127.0.0.1', port: tenant.emulator.port, servername: hostname, headers: { host: hostname } }
	return new Promise((resolve, reject) => {
		const options: RequestOptions & Asker = { ...to, path: '/secrets', ...asker }
		get(options, (response) => void text(response).then(resolve, reject)).on('error', reject)
	})
}

it('a burst opens a connection for each call, of which two of each vault stay when there are many vaults, and all of a few', async () => {
	const agent = createVaultAgent(tenant.emulator.caPem, { keptMs: LONG_MS, spareMs: LONG_MS })
	const free = () => freeOf(agent)
	try {
		const answers = await Promise.all(Array.from({ length: 8 }, () => call(agent)))
		for (const answer of answers) expect(answer).toContain('Unauthorized')
		await vi.waitFor(() => expect(free()).toHaveLength(8))
		const before = new Set(free())
		await call(agent)
		await vi.waitFor(() => expect(free()).toHaveLength(8))
		expect(new Set(free())).toEqual(before)
		expect(agent.maxFreeSockets).toBe(16)
		await Promise.all(Array.from({ length: 40 }, (_, i) => call(agent, { identity: `reader-${i}` })))
		await vi.waitFor(() => expect(free()).toHaveLength(48))
		expect(agent.maxFreeSockets).toBe(2)
		for (const socket of free()) socket?.destroy()
		await vi.waitFor(() => expect(agent.maxFreeSockets).toBe(16))
	} finally {
		agent.destroy()
	}
})

it('after a burst one connection of each identity stays for its next poll', async () => {
	const agent = createVaultAgent(tenant.emulator.caPem, { keptMs: LONG_MS, spareMs: 50 })
	const identities = ['a', 'b']
	try {
		await Promise.all(identities.flatMap((identity) => Array.from({ length: 4 }, () => call(agent, { identity }))))
		await vi.waitFor(() => {
			expect(Object.values(agent.freeSockets).map((sockets) => sockets?.length)).toEqual([1, 1])
			expect(freeOf(agent)).toHaveLength(2)
		}, WAIT)
		const kept = new Set(freeOf(agent))
		for (const identity of identities) await call(agent, { identity })
		await vi.waitFor(() => expect(new Set(freeOf(agent))).toEqual(kept), WAIT)
	} finally {
		agent.destroy()
	}
})

it('when the connection that was kept is gone, the next one is kept', async () => {
	const agent = createVaultAgent(tenant.emulator.caPem, { keptMs: LONG_MS, spareMs: 50 })
	try {
		await call(agent)
		await vi.waitFor(() => expect(freeOf(agent)).toHaveLength(1), WAIT)
		freeOf(agent)[0]?.destroy()
		await vi.waitFor(() => expect(freeOf(agent)).toHaveLength(0), WAIT)
		await call(agent)
		await vi.waitFor(() => expect(freeOf(agent)).toHaveLength(1), WAIT)
		// The emulator names its own time, which is earlier.
		expect(freeOf(agent)[0]?.timeout).toBeGreaterThan(50)
	} finally {
		agent.destroy()
	}
})

it('who has no use for a connection any more says how soon it is closed', async () => {
	const agent = createVaultAgent(tenant.emulator.caPem, { keptMs: LONG_MS, spareMs: LONG_MS })
	try {
		await call(agent, { keptMs: 50 })
		await vi.waitFor(() => expect([...freeOf(agent), ...Object.values(agent.sockets).flat()]).toEqual([]), WAIT)
	} finally {
		agent.destroy()
	}
})

it('a connection is known by where it leads, not by the certificates of all', () => {
	const agent = createVaultAgent(tenant.emulator.caPem)
	const to = { host: 'a.vault.azure.net', port: 443, servername: 'a.vault.azure.net' }
	expect(agent.getName({ ...to, ca: tenant.emulator.caPem })).toBe('a.vault.azure.net:443:a.vault.azure.net')
	expect(agent.getName({ ...to, host: 'b.vault.azure.net' })).not.toBe(agent.getName(to))
	agent.destroy()
})

it('a proxy that the environment names is used', async () => {
	const heard: string[] = []
	const proxy = createServer((socket) => {
		socket.on('error', () => {})
		socket.once('data', (chunk) => {
			heard.push(String(chunk).split('\r\n')[0] ?? '')
			socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
		})
	})
	await once(proxy.listen(0, '127.0.0.1'), 'listening')
	try {
		vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`)
		const key = { ...tenant.key, vaultUrl: 'https://payments.vault.emu.test' }
		const session = tenant.vaults({ agent: undefined }).session(key)
		expect(await faultOf(session.read('db', undefined, ask()))).toBe('server')
		expect(heard).toEqual(['CONNECT payments.vault.emu.test:443 HTTP/1.1'])
		// Nobody answers there: what counts is that the proxy is not asked.
		for (const noProxy of ['*', 'emu.test', '.emu.test', 'vault.emu.test, other.example']) {
			const past = tenant.vaults({ agent: undefined, noProxy }).session(key)
			expect(await faultOf(past.read('db', undefined, ask())), noProxy).toBe('unreachable')
		}
		expect(heard).toHaveLength(1)
	} finally {
		proxy.close()
	}
})

it.each([
	['nothing', ''],
	['no more than that the tunnel is there', 'HTTP/1.1 200 Connection established\r\n\r\n'],
])('a proxy that says %s costs a read its deadline, and neither the session nor a connection', async (_, says) => {
	const open = new Set<Socket>()
	const proxy = createServer((socket) => {
		open.add(socket)
		socket.on('error', () => {})
		socket.on('close', () => open.delete(socket))
		// Whoever reads nothing does not hear that the other side has ended.
		socket.resume()
		socket.write(says)
	})
	await once(proxy.listen(0, '127.0.0.1'), 'listening')
	try {
		vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`)
		const key = { ...tenant.key, vaultUrl: 'https://payments.vault.emu.test' }
		const session = tenant.vaults({ agent: undefined, timeoutMs: 300 }).session(key)
		for (let i = 0; i < 10; i++) expect(await faultOf(session.read('db', undefined, ask()))).toBe('timeout')
		await until('no connection', async () => open.size === 0)
	} finally {
		proxy.close()
	}
})

it('through a proxy a vault is read and listed, and no connection stays', async () => {
	const { emulator } = tenant
	const open = new Set<Socket>()
	const proxy = createServer((socket) => {
		open.add(socket)
		socket.on('error', () => {})
		socket.on('close', () => open.delete(socket))
		socket.once('data', () => {
			const vault = connect(emulator.port, '127.0.0.1')
			vault.on('error', () => {})
			// What is left to read of a pipe that has ended is read, to its end.
			vault.on('close', () => socket.resume())
			socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
			socket.pipe(vault).pipe(socket)
		})
	})
	await once(proxy.listen(0, '127.0.0.1'), 'listening')
	const trusted = getCACertificates()
	try {
		setDefaultCACertificates([...trusted, emulator.caPem])
		vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`)
		await emulator.control.setSecret({ vault: 'payments', name: 'db', value: 'through' })
		const key = { ...tenant.key, vaultUrl: 'https://payments.vault.emu.test' }
		const session = tenant.vaults({ agent: undefined }).session(key)
		for (let i = 0; i < 3; i++) expect((await session.read('db', undefined, ask())).value()).toBe('through')
		expect(await session.list({ pages: 10 }, ask())).toMatchObject({ complete: true })
		await until('no connection', async () => open.size === 0)
	} finally {
		setDefaultCACertificates(trusted)
		proxy.close()
	}
})
