import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http2'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import type { ConnectRouter, Interceptor } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'

/** A gRPC server on a unix socket. */
export interface Socket {
	/** Whether nobody else has bound the path since. */
	isOurs(): Promise<boolean>
	/** Removes the socket, if it is still the one that was bound here. The server goes on for whoever is connected. */
	withdraw(): Promise<void>
	/** Ends the server. The path stays, whoever has it. */
	close(): void
}

/**
 * Listens on a path, in place of whoever did before: in an upgrade the old process still runs, and serves those that are connected to
 * it. The socket is bound under a name of its own and renamed, so at no moment a kubelet finds nobody at the path; and libuv, which
 * unlinks what it bound when a server ends, finds nothing there.
 *
 * @param interceptors see each request before it is served; for tests
 */
export async function listen(
	path: string,
	routes: (router: ConnectRouter) => void,
	interceptors: Interceptor[] = [],
): Promise<Socket> {
	await mkdir(dirname(path), { recursive: true })
	const answer = connectNodeAdapter({ routes, interceptors, connect: false, grpcWeb: false })
	const server = createServer((request, response) => {
		// A kubelet writes the path of the socket there, escaped. No URL can be made of that: the adapter throws, and the process ends.
		request.headers[':authority'] = 'localhost'
		answer(request, response)
	})
	// A kubelet passes over names that begin with a dot.
	const bound = join(dirname(path), `.${randomBytes(4).toString('hex')}`)
	const listening = once(server, 'listening')
	// Bound before listen returns, so no other file is made with this mask.
	const before = process.umask(0o077)
	server.listen(bound)
	process.umask(before)
	await listening
	const { ino, dev } = await stat(bound)
	await rename(bound, path)
	const isOurs = async () => {
		const now = await stat(path).catch(() => undefined)
		return now?.ino === ino && now.dev === dev
	}
	return {
		isOurs,
		async withdraw() {
			if (await isOurs()) await rm(path, { force: true })
		},
		close: () => void server.close(),
	}
}

/** Whether a process listens there. A file that a killed process left is nobody. */
export function answers(path: string): Promise<boolean> {
	const { promise, resolve } = Promise.withResolvers<boolean>()
	const socket = connect(path)
	socket.once('connect', () => resolve(true))
	socket.once('error', () => resolve(false))
	return promise.finally(() => socket.destroy())
}
