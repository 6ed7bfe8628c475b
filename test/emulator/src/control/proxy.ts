// An HTTPS proxy that leads the emulator's names to the emulator: with it, an unmodified SDK needs no option and
// no host file, only `HTTPS_PROXY` and the CA. Other names are connected through, so that the rest of a program
// that has the variable still works.
import type { IncomingMessage, Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { parseHost } from '../http/message.ts'
import { type Names, placeOf } from '../names.ts'

/** Installs CONNECT on a server that listens on loopback only: it must never be an open proxy. */
export function installProxy(server: Server, options: { names: Names; address: string; port: () => number }): void {
	server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
		const target = parseHost(request.url)
		client.on('error', () => client.destroy())
		if (!target) return void client.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')
		const { kind } = placeOf(target.host, options.names)
		const ours = kind === 'vault' || kind === 'login' || kind === 'management'
		const upstream = ours
			? connect(options.port(), options.address)
			: connect(target.port, target.host.replace(/^\[|\]$/g, ''))
		upstream.once('connect', () => {
			client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
			if (head.length > 0) upstream.write(head)
			upstream.pipe(client)
			client.pipe(upstream)
		})
		upstream.on('error', () => {
			if (!upstream.connecting && client.writable && client.bytesWritten === 0)
				client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n')
			else client.destroy()
		})
		client.on('close', () => upstream.destroy())
	})
}
