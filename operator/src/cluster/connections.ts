import http, { type IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import { createSecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { KubeError } from '../ports/kube-error.ts'
import { destroyOnAbort } from '../process/abort.ts'

// Go's server closes idle connections after 90 s or more; staying clearly below never sends into a closing socket.
const KEEP_ALIVE_MS = 30_000
// TCP's own probes on an open one: a peer that is gone is told of before a watch notices.
const PROBE_MS = 15_000
// Watches hold one each (fewer than ten), workers one each (about ten): room for both and for a burst of pod refreshes.
const MAX_CONNECTIONS = 64

export interface Sent {
	readonly method: string
	readonly headers: Record<string, string>
	readonly body: string | undefined
	readonly signal: AbortSignal
}

export interface Connections {
	/** Resolves when the answer begins. Whoever gets it reads it to the end or destroys it. */
	send(url: URL, auth: RequestOptions, sent: Sent): Promise<IncomingMessage>
	/**
	 * A connection was silent for too long. Whatever made it half-open (a firewall, a failed-over load balancer) has
	 * probably done the same to the idle ones, and each would cost its own deadline: none of them is used again.
	 */
	distrust(): void
	close(): void
}

/**
 * Connections of node's own client: it is in the process anyway, for the vaults, and another one beside it takes more memory. One set of them
 * for each set of TLS options seen last; those of an older one finish their requests and are closed.
 */
export function createConnections(): Connections {
	let current: { tls: Record<string, unknown>; secure: https.Agent; plain: http.Agent } | undefined
	/** not ended yet: their watches may run for minutes */
	const retired = new Set<http.Agent>()
	let closed = false
	const retire = () => {
		for (const agent of current ? [current.secure, current.plain] : []) {
			for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy()
			// What becomes free later is closed then.
			agent.maxFreeSockets = 0
			if (Object.keys(agent.sockets).length > 0) retired.add(agent)
		}
		for (const agent of retired) if (Object.keys(agent.sockets).length === 0) retired.delete(agent)
		current = undefined
	}
	const agentsFor = (auth: RequestOptions) => {
		if (closed) throw new KubeError('unreachable', 'the transport is closed')
		const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = auth
		const tls = Object.fromEntries(
			Object.entries({ ca, cert, key, pfx, passphrase, servername, rejectUnauthorized }).filter(
				([, v]) => v !== undefined,
			),
		)
		if (current && isDeepStrictEqual(current.tls, tls)) return current
		retire()
		const shared = {
			keepAlive: true,
			keepAliveMsecs: PROBE_MS,
			maxSockets: MAX_CONNECTIONS,
			// Of those that are not in use: requests have deadlines of their own.
			timeout: KEEP_ALIVE_MS,
		}
		const plain = new http.Agent(shared)
		// Made by the first TLS connection, once for all: it holds the certificates parsed.
		let secureContext: ReturnType<typeof createSecureContext> | undefined
		const secure = new https.Agent({ ...shared, ...tls })
		// Node's own name of where a connection leads has all options of TLS in it, certificates too: text that each request makes.
		secure.getName = nameOf
		const connect = secure.createConnection.bind(secure)
		secure.createConnection = (options, done) => {
			secureContext ??= createSecureContext(tls)
			const withContext: typeof options & { secureContext: typeof secureContext } = { ...options, secureContext }
			return connect(withContext, done)
		}
		current = { tls, secure, plain }
		return current
	}
	return {
		send(url, auth, { method, headers, body, signal }) {
			const agents = agentsFor(auth)
			return new Promise((resolve, reject) => {
				const isPlain = url.protocol === 'http:'
				const agent = isPlain ? agents.plain : agents.secure
				// Stated, because node leaves it out of a DELETE, and the body is then taken for the next request.
				const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
				const framed = { ...headers, ...length }
				const request = (isPlain ? http : https).request(url, { method, headers: framed, agent })
				// The signal is one for this request (deadline.ts).
				destroyOnAbort(request, signal)
				// What comes after the answer has begun is told by the answer.
				request.on('error', reject)
				request.once('response', (response) => {
					// An error without a listener ends the process, and an answer may break off while nobody reads it.
					response.on('error', () => {})
					resolve(response)
				})
				request.end(body)
			})
		},
		distrust: retire,
		close() {
			closed = true
			for (const agent of [current?.secure, current?.plain, ...retired]) agent?.destroy()
			retired.clear()
		},
	}
}

const nameOf = ({ host = '', port = '' }: RequestOptions = {}) => `${host}:${port}`
