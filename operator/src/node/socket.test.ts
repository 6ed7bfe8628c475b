import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect as connectSession } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { registrationRoutes } from './services.ts'
import { listen, type Socket } from './socket.ts'

let folder: string
let path: string
let socket: Socket
beforeEach(async () => {
	folder = await mkdtemp('/tmp/asb-socket-')
	path = join(folder, 'reg.sock')
	socket = await start()
})
afterEach(async () => {
	socket.close()
	await rm(folder, { recursive: true, force: true })
})

const start = () =>
	listen(path, registrationRoutes({ driver: 'secrets.purista.dev', endpoint: '/csi.sock', onRegistered() {} }))

/** One call of GetInfo as gRPC in Go makes it: the authority is the path of the socket, escaped. @returns its grpc-status */
async function getInfo(authority: string): Promise<unknown> {
	const session = connectSession('http://localhost', { createConnection: () => connect(path) })
	try {
		const stream = session.request({
			':method': 'POST',
			':path': '/pluginregistration.Registration/GetInfo',
			':authority': authority,
			'content-type': 'application/grpc',
			te: 'trailers',
		})
		// An empty message: not compressed, no bytes.
		stream.end(Buffer.alloc(5))
		const trailers = once(stream, 'trailers')
		stream.resume()
		const [headers] = (await trailers) as [Record<string, unknown>]
		return headers['grpc-status']
	} finally {
		session.destroy()
	}
}

it.each(['localhost', '%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fsecrets.purista.dev-reg.sock'])(
	'a call with the authority "%s" is answered',
	async (authority) => {
		expect(await getInfo(authority)).toBe('0')
	},
)

it('is for its owner alone', async () => {
	expect((await stat(path)).mode & 0o777).toBe(0o700)
})

it('withdraws its own file, and not that of a successor', async () => {
	const next = await start()
	expect(await socket.isOurs()).toBe(false)
	await socket.withdraw()
	expect(await next.isOurs()).toBe(true)
	await next.withdraw()
	await writeFile(path, 'of somebody')
	expect(await next.isOurs()).toBe(false)
	next.close()
})
