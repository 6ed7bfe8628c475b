import { connect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createVaultAgent } from './agent.ts'
import { bundle, type Handler, json, useHostile, VAULT } from './testing/hostile.ts'
import { ask, faultOf } from './testing/tenant.ts'

const BODY = JSON.stringify(bundle())
const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'

describe('an answer whose bytes an attacker writes', () => {
	const hostile = useHostile()

	/** @param then what becomes of the connection; default: it stays open */
	const raw =
		(text: string, then?: 'end'): Handler =>
		({ socket }) => {
			socket.write(text)
			if (then) socket.end()
		}
	// Each of them would take a place of the vault's budget with it, and the first one the session.
	const bad: [string, string, Handler][] = [
		[
			'a change of protocols that nobody asked for',
			'unreachable',
			raw('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
		],
		['a change of protocols to nothing', 'garbage', raw('HTTP/1.1 101 Switching Protocols\r\n\r\n')],
		['nothing but what comes before an answer', 'unreachable', raw('HTTP/1.1 102 Processing\r\n\r\n'.repeat(3), 'end')],
		['an end without a byte', 'unreachable', raw('', 'end')],
		['no HTTP', 'unreachable', raw('{"value":"v"}\n')],
		['headers without end', 'unreachable', raw(`${OK}${'a: b\r\n'.repeat(40_000)}\r\n`)],
		['two lengths', 'unreachable', raw(`${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}`)],
		[
			'a length and pieces',
			'unreachable',
			raw(`${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
		],
		['less than it says', 'garbage', raw(`${OK}Content-Length: 900\r\n\r\n${BODY}`, 'end')],
		['nothing where there is none', 'garbage', raw('HTTP/1.1 204 No Content\r\n\r\n')],
		['that nothing changed', 'garbage', raw('HTTP/1.1 304 Not Modified\r\n\r\n')],
	]
	const good: [string, Handler][] = [
		[
			'with trailers',
			raw(`${OK}Transfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\nx: y\r\n\r\n`),
		],
		['in HTTP/1.0', raw(`HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n${BODY}`, 'end')],
		[
			'after others that are none',
			raw(`${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000)}${OK}Content-Length: ${BODY.length}\r\n\r\n${BODY}`),
		],
		// What follows it is nobody's answer.
		[
			'with another one behind it',
			raw(`${OK}Content-Length: ${BODY.length}\r\n\r\n${BODY}${OK}Content-Length: 2\r\n\r\n{}`),
		],
	]

	it.each(bad)('%s is told, and the next read goes', { timeout: 20_000 }, async (_, kind, handler) => {
		// More often than a vault has places.
		const session = hostile.open({ callsPerSecond: 400 })
		for (let i = 0; i < 17; i++) {
			hostile.vault = handler
			expect(await faultOf(session.read('db', undefined, ask()))).toBe(kind)
		}
		hostile.vault = (__, response) => json(response, bundle())
		expect((await session.read('db', undefined, ask())).value()).toBe('v')
	})

	it.each(good)('an answer %s is one', async (_, handler) => {
		hostile.vault = handler
		const session = hostile.open()
		for (let i = 0; i < 3; i++) expect((await session.read('db', undefined, ask())).value()).toBe('v')
	})

	it('an Entra that changes protocols is away, and asked again by the next read', { timeout: 20_000 }, async () => {
		hostile.token = raw('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
		const session = hostile.open()
		expect(await faultOf(session.read('db', undefined, ask()))).toBe('entraUnavailable')
		hostile.token = (_, response) => json(response, { token_type: 'Bearer', expires_in: 3600, access_token: 'entra' })
		expect((await session.read('db', undefined, ask())).value()).toBe('v')
	})

	/** Connections that are kept, as the operator has them; all lead here. */
	const kept = () => {
		const agent = createVaultAgent(hostile.ca)
		agent.createConnection = ((given: object) =>
			connect({
				...given,
				host: '127.0.0.1',
				port: hostile.port,
				ca: hostile.ca,
			})) as unknown as typeof agent.createConnection
		return agent
	}

	it.each([
		['at once', (write: () => void) => write()],
		['when nothing is asked', (write: () => void) => void setTimeout(write, 20)],
	])('bytes that follow an answer %s are not the answer to another identity', async (_, send) => {
		const agent = kept()
		const poison = JSON.stringify(bundle({ value: 'of somebody else' }))
		let isSent = Promise.withResolvers<void>()
		hostile.vault = ({ socket }) => {
			socket.write(`${OK}Content-Length: ${BODY.length}\r\n\r\n${BODY}`)
			send(() => {
				if (!socket.destroyed) socket.write(`${OK}Content-Length: ${poison.length}\r\n\r\n${poison}`)
				isSent.resolve()
			})
		}
		try {
			for (let i = 0; i < 10; i++) {
				isSent = Promise.withResolvers()
				const session = hostile.open({ agent }, { serviceAccount: `app-${i}` })
				expect((await session.read('db', undefined, ask())).value()).toBe('v')
				await isSent.promise
			}
		} finally {
			agent.destroy()
		}
	})

	it('a connection to one vault is never used for another', async () => {
		const agent = kept()
		try {
			await hostile.open({ agent }).read('db', undefined, ask())
			const before = hostile.elsewhere.length
			expect(
				await faultOf(hostile.open({ agent }, { vaultUrl: 'https://other.vault.test' }).read('db', undefined, ask())),
			).toBe('garbage')
			expect(hostile.elsewhere.slice(before)).toEqual([{ host: 'other.vault.test', token: false }])
			expect(
				Object.keys(agent.freeSockets)
					.map((name) => name.split(':')[0])
					.toSorted(),
			).toEqual([VAULT, 'login.test', 'other.vault.test'].toSorted())
		} finally {
			agent.destroy()
		}
	})

	it('a certificate of another host is none: nothing is asked there', async () => {
		const session = hostile.open({}, { vaultUrl: 'https://vault.example' })
		expect(await faultOf(session.read('db', undefined, ask()))).toBe('unreachable')
		expect(hostile.elsewhere).toEqual([])
	})

	it.each([
		['-5', undefined],
		['0', undefined],
		['soon', undefined],
		['Wed, 21 Oct 2099 07:28:00 GMT', undefined],
		['2', 2_000],
		['31536000', 300_000],
		['1e999', 300_000],
	])('Retry-After %s is waited for no longer than five minutes', async (header, retryAfterMs) => {
		hostile.vault = (_, response) => json(response, { error: { code: 'Throttled' } }, 429, { 'retry-after': header })
		await expect(hostile.open().read('db', undefined, ask())).rejects.toMatchObject({
			fault: { kind: 'throttled', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
		})
	})
})
