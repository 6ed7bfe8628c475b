import { once } from 'node:events'
import { mkdir, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http2'
import { dirname } from 'node:path'
import type { ConnectRouter, Interceptor } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'

/** A gRPC server on a unix socket. */
export interface Socket {
	/** Whether nobody else has bound the path since. */
	isOurs(): Promise<boolean>
	/** Removes the socket, if it is still the one that was bound here. The server goes on for whoever is connected. */
	withdraw(): Promise<void>
	/** Ends it. Only for tests: libuv then unlinks the path, whoever has bound it since. */
	close(): void
}

/**
 * Listens on a path, in place of whoever did before: in an upgrade the old process still runs. Its socket is unlinked by name
 * and serves those that are connected to it; what it unlinks when it ends must be its own, which its inode says.
 *
 * @param interceptors see each request before it is served; for tests
 */
export async function listen(
	path: string,
	routes: (router: ConnectRouter) => void,
	interceptors: Interceptor[] = [],
): Promise<Socket> {
	await mkdir(dirname(path), { recursive: true })
	await rm(path, { force: true })
	const answer = connectNodeAdapter({ routes, interceptors, connect: false, grpcWeb: false })
	const server = createServer((request, response) => {
		// A kubelet writes the path of the socket there, escaped. No URL can be made of that: the adapter throws, and the process ends.
		request.headers[':authority'] = 'localhost'
		answer(request, response)
	})
	const listening = once(server, 'listening')
	// Bound before listen returns, so no other file is made with this mask.
	const before = process.umask(0o077)
	server.listen(path)
	process.umask(before)
	await listening
	const { ino, dev } = await stat(path)
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
