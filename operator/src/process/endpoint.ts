import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface Reply {
	status: number
	contentType: string
	text: string
}

/** Must not throw. */
export type Route = (request: IncomingMessage) => Reply | Promise<Reply>

export interface EndpointOptions {
	/** 0 picks a free one */
	port: number
	host: string
	/** by path */
	routes: Readonly<Record<string, Route>>
	/** open at once; a new one takes the place of the oldest */
	maxConnections: number
	/** how long one may be open, milliseconds */
	lifetimeMs: number
}

export interface Endpoint {
	port: number
	/** Stops listening, lets running answers finish for a moment, then cuts them. Idempotent. */
	close(): Promise<void>
}

// An answer takes milliseconds; a client that is slower than this at shutdown is gone or hostile.
const CLOSE_GRACE_MS = 1_000

/**
 * Serves GET over plain HTTP, one request for each connection. Every pod of the cluster may connect, and so may the kubelet:
 * a limit that turns new connections away would let whoever holds the old ones decide about probes. So a new one is always
 * taken, in the place of the oldest, and none lives long.
 */
export async function startEndpoint(options: EndpointOptions): Promise<Endpoint> {
	const { port, host, routes, maxConnections, lifetimeMs } = options
	let closing: Promise<void> | undefined
	const server = createServer((request, response) => {
		request.resume()
		answer(request, routes).then(
			(reply) => send(response, reply),
			() => send(response, plain(500, 'failed\n')),
		)
	})
	/** oldest first */
	const open = new Set<Socket>()
	server.on('connection', (socket) => {
		open.add(socket)
		const timer = setTimeout(() => socket.destroy(), lifetimeMs)
		socket.on('error', () => {})
		socket.once('close', () => {
			clearTimeout(timer)
			open.delete(socket)
		})
		const [oldest] = open
		if (open.size > maxConnections) oldest?.destroy()
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
		close() {
			closing ??= new Promise((resolve) => {
				const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
				server.close(() => {
					clearTimeout(cut)
					resolve()
				})
				server.closeIdleConnections()
			})
			return closing
		},
	}
}

export const plain = (status: number, text: string): Reply => ({
	status,
	contentType: 'text/plain; charset=utf-8',
	text,
})

async function answer(request: IncomingMessage, routes: EndpointOptions['routes']): Promise<Reply> {
	const path = (request.url ?? '').split('?')[0] ?? ''
	if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'GET only\n')
	const route = Object.hasOwn(routes, path) ? routes[path] : undefined
	return route ? await route(request) : plain(404, 'not found\n')
}

function send(response: ServerResponse, { status, contentType, text }: Reply): void {
	response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store', connection: 'close' })
	response.end(text)
}
