// Starting and ending servers, hanging connections included.
import type { Server } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

export interface Listening {
	readonly port: number
	/** Ends the server and every connection it has, below TLS too: a hanging request must not keep it open. */
	close(): Promise<void>
}

/** Rejects when the address cannot be listened on. */
export async function listen(server: Server | SecureServer, host: string, port: number): Promise<Listening> {
	const sockets = new Set<Socket>()
	server.on('connection', (socket: Socket) => {
		sockets.add(socket)
		socket.once('close', () => sockets.delete(socket))
	})
	await new Promise<void>((resolve, reject) => {
		server.once('error', reject)
		server.listen(port, host, () => {
			server.off('error', reject)
			resolve()
		})
	})
	return {
		port: (server.address() as AddressInfo).port,
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve())
				for (const socket of sockets) socket.destroy()
			}),
	}
}
