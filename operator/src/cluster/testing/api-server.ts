import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'

/** What the server does with one request, in the order of the requests. */
interface Script {
	/** default 200 */
	status?: number
	headers?: Record<string, string>
	/** sent as JSON */
	json?: unknown
	/** sent as they are, one write each */
	chunks?: readonly string[]
	/** afterwards: finish the answer (default), say nothing more, or reset the connection */
	after?: 'end' | 'hold' | 'reset'
}

/** A request as it arrived. */
interface Seen {
	method: string
	path: string
	query: URLSearchParams
	headers: IncomingMessage['headers']
	body: string
	/** writes into an answer that is held open */
	write(chunk: string): void
	end(): void
	/** cuts the connection with RST */
	reset(): void
}

/**
 * A real HTTP server on loopback that answers by script. A request for which nothing is scripted (yet) waits: that is what
 * a half-open connection looks like from the client.
 *
 * `kubeConfig` hands out a *different token for each request* and the server answers 401 to a token that it has seen, so a
 * client that keeps a header is caught at once.
 */
export interface ScriptedServer {
	url: string
	seen: Seen[]
	/** TCP connections accepted so far */
	readonly connections: number
	/** TCP connections open now */
	readonly open: number
	/** requests whose answer has neither ended nor broken off */
	readonly active: number
	/** Appends to the script. */
	answer(...scripts: Script[]): void
	kubeConfig(): KubeConfig
	close(): Promise<void>
}

export async function startScriptedServer(): Promise<ScriptedServer> {
	const scripts: Script[] = []
	const waiting: ((script: Script) => void)[] = []
	const seen: Seen[] = []
	const sockets = new Set<Socket>()
	const tokens = new Set<string>()
	let connections = 0
	let issued = 0
	let active = 0

	const next = (response: ServerResponse) =>
		new Promise<Script>((resolve) => {
			const script = scripts.shift()
			if (script) {
				resolve(script)
				return
			}
			waiting.push(resolve)
			// A client that gave up must not eat the answer of the next one.
			response.once('close', () => {
				const at = waiting.indexOf(resolve)
				if (at >= 0) waiting.splice(at, 1)
			})
		})
	const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
		active++
		response.once('close', () => active--)
		let body = ''
		for await (const chunk of request.setEncoding('utf8')) body += String(chunk)
		const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
		const reset = () => request.socket.resetAndDestroy()
		seen.push({
			method: request.method ?? '',
			path: pathname,
			query: searchParams,
			headers: request.headers,
			body,
			write: (chunk) => response.write(chunk),
			end: () => response.end(),
			reset,
		})
		const token = request.headers.authorization
		if (token !== undefined && tokens.has(token)) {
			response.writeHead(401).end('{"kind":"Status","message":"this token was used before","code":401}')
			return
		}
		if (token !== undefined) tokens.add(token)
		const script = await next(response)
		if (script.after === 'reset' && script.status === undefined && !script.chunks && script.json === undefined) {
			reset()
			return
		}
		response.writeHead(script.status ?? 200, { 'content-type': 'application/json', ...script.headers })
		response.flushHeaders()
		if (script.json !== undefined) response.write(JSON.stringify(script.json))
		for (const chunk of script.chunks ?? []) response.write(chunk)
		if (script.after === 'reset') setImmediate(reset)
		else if (script.after !== 'hold') response.end()
	}
	const server = createServer((request, response) => {
		// A client that goes away while its body is read is part of what is tested here.
		handle(request, response).catch(() => response.destroy())
	})
	server.on('connection', (socket) => {
		connections++
		sockets.add(socket)
		socket.on('close', () => sockets.delete(socket))
		socket.on('error', () => {})
	})
	await new Promise<void>((resolve) => {
		server.listen(0, '127.0.0.1', resolve)
	})
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

	return {
		url,
		seen,
		get connections() {
			return connections
		},
		get open() {
			return sockets.size
		},
		get active() {
			return active
		},
		answer(...added) {
			for (const script of added) {
				const waiter = waiting.shift()
				if (waiter) waiter(script)
				else scripts.push(script)
			}
		},
		kubeConfig() {
			const config = new KubeConfig()
			// The library refuses plain HTTP unless TLS verification is off; there is no TLS here.
			const cluster = { name: 'scripted', server: url, skipTLSVerify: true }
			config.loadFromClusterAndUser(cluster, { name: 'tester', authProvider: { name: 'fresh' } })
			config.addAuthenticator({
				isAuthProvider: (user) => user.name === 'tester',
				applyAuthentication: async (_user, options) => {
					Object.assign(options, { headers: { Authorization: `Bearer token-${++issued}` } })
				},
			})
			return config
		},
		async close() {
			for (const socket of sockets) socket.destroy()
			await new Promise<void>((resolve) => {
				server.close(() => resolve())
			})
		},
	}
}
