// The HTTPS proxy beside the control API.
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Emulator, startEmulator } from '../src/index.ts'

describe('the proxy', () => {
	let emulator: Emulator
	let echo: Server
	beforeAll(async () => {
		emulator = await startEmulator({ names: 'production', vaults: ['payments'] })
		echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
		await once(echo, 'listening')
	})
	afterAll(async () => {
		await emulator.close()
		echo.close()
	})

	const connect = (
		target: string,
		url = emulator.controlUrl,
	): Promise<{ status: number | undefined; socket: Socket }> =>
		new Promise((resolve, reject) => {
			const { hostname, port } = new URL(url)
			const call = request({ host: hostname, port, method: 'CONNECT', path: target })
			call.on('connect', (answer, socket) => resolve({ status: answer.statusCode, socket }))
			call.on('error', reject)
			call.end()
		})

	it.each(['login.microsoftonline.com:443', 'payments.vault.azure.net:443', 'PAYMENTS.vault.azure.net:8443'])(
		'leads %s to the emulator, whatever the port',
		async (target) => {
			const { status, socket } = await connect(target)
			expect(status).toBe(200)
			const servername = target.replace(/:.*/, '').toLowerCase()
			const secure = tlsConnect({ socket, servername, ca: emulator.caPem })
			await once(secure, 'secureConnect')
			expect([secure.authorized, secure.getPeerCertificate().subjectaltname]).toEqual([true, `DNS:${servername}`])
			secure.destroy()
		},
	)

	it('connects everything else through', async () => {
		const { status, socket } = await connect(`127.0.0.1:${(echo.address() as AddressInfo).port}`)
		expect(status).toBe(200)
		socket.write('hello')
		const [data] = (await once(socket, 'data')) as [Buffer]
		expect(data.toString()).toBe('hello')
		socket.destroy()
	})

	it('answers 502 for what cannot be reached and 400 for what is no target', async () => {
		// Nothing listens on port 1 of loopback.
		expect((await connect('127.0.0.1:1')).status).toBe(502)
		expect((await connect('no_target:x')).status).toBe(400)
	})

	it('is not there when the control API listens beyond loopback: never an open proxy', async () => {
		const open = await startEmulator({ control: { host: '0.0.0.0' } })
		try {
			await expect(connect('127.0.0.1:1', open.controlUrl)).rejects.toThrow()
		} finally {
			await open.close()
		}
	})

	it('ends with the emulator, open tunnels included', async () => {
		const other = await startEmulator()
		const { socket } = await connect(`127.0.0.1:${(echo.address() as AddressInfo).port}`, other.controlUrl)
		socket.on('error', () => undefined)
		const closed = once(socket, 'close')
		await other.close()
		await closed
	})
})
