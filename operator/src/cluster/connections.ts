import http, { type IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import { createSecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { KubeError } from '../ports/kube-error.ts'
import { answerTo } from '../process/abort.ts'

// Go's server closes idle connections after 90 s or more; staying clearly below never sends into a closing socket.
const KEEP_ALIVE_MS = 30_000
// TCP's own probes on an open one: a peer that is gone is told of before a watch notices.
const PROBE_MS = 15_000
// Workers hold one each (about thirty): room for them and for a burst of pod refreshes. Watches hold one each for minutes, so they have
// connections of their own, as many as there are: whoever opens them bounds how many. Among these, requests would wait for them to end.
export const MAX_CONNECTIONS = 64
// A watch that has ended is opened again at once; more than a few do not end in one moment.
const MAX_IDLE_OF_STREAMS = 4

const TLS_OPTIONS = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized'] as const

export interface Sent {
	readonly method: string
	readonly headers: Record<string, string>
	readonly body: string | undefined
	readonly signal: AbortSignal
	/** whether the answer goes on for as long as it likes */
	readonly isStream: boolean
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
 *
 * @param most connections at once, beside those of watches; what finds none waits for one. Each takes 80 KB
 */
export function createConnections(most: number): Connections {
	let current: { tls: Record<string, unknown>; requests: Agents; streams: Agents } | undefined
	/** not ended yet: their watches may run for minutes */
	const retired = new Set<http.Agent>()
	let closed = false
	const retire = () => {
		for (const agent of agentsOf(current)) {
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
		const known = current
		// The same files are given again and again, and each request asks.
		if (known && TLS_OPTIONS.every((name) => isDeepStrictEqual(known.tls[name], auth[name]))) return known
		const given = TLS_OPTIONS.map((name) => [name, auth[name]] as const)
		const tls = Object.fromEntries(given.filter(([, value]) => value !== undefined))
		retire()
		// Made by the first TLS connection, once for all: it holds the certificates parsed.
		let secureContext: ReturnType<typeof createSecureContext> | undefined
		const contextOf = () => {
			secureContext ??= createSecureContext(tls)
			return secureContext
		}
		current = {
			tls,
			requests: createAgents({ maxSockets: most }, tls, contextOf),
			streams: createAgents({ maxFreeSockets: MAX_IDLE_OF_STREAMS }, tls, contextOf),
		}
		return current
	}
	return {
		async send(url, auth, { method, headers, body, signal, isStream }) {
			const { requests, streams } = agentsFor(auth)
			const { plain, secure } = isStream ? streams : requests
			const isPlain = url.protocol === 'http:'
			// Stated, because node leaves it out of a DELETE, and the body is then taken for the next request.
			const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
			const framed = { ...headers, ...length }
			const agent = isPlain ? plain : secure
			// The signal is one for this request (deadline.ts).
			return answerTo((isPlain ? http : https).request(url, { method, headers: framed, agent }), body, signal)
		},
		distrust: retire,
		close() {
			closed = true
			for (const agent of [...agentsOf(current), ...retired]) agent.destroy()
			retired.clear()
		},
	}
}

interface Agents {
	readonly plain: http.Agent
	readonly secure: https.Agent
}

function createAgents(
	bounds: http.AgentOptions,
	tls: Record<string, unknown>,
	contextOf: () => ReturnType<typeof createSecureContext>,
): Agents {
	const shared = {
		keepAlive: true,
		keepAliveMsecs: PROBE_MS,
		// Of those that are not in use: requests have deadlines of their own.
		timeout: KEEP_ALIVE_MS,
		...bounds,
	}
	const plain = new http.Agent(shared)
	const secure = new https.Agent({ ...shared, ...tls })
	// Node's own name of where a connection leads has all options of TLS in it, certificates too: text that each request makes.
	secure.getName = nameOf
	const connect = secure.createConnection.bind(secure)
	secure.createConnection = (options, done) => {
		const withContext: typeof options & { secureContext: object } = { ...options, secureContext: contextOf() }
		return connect(withContext, done)
	}
	return { plain, secure }
}

const agentsOf = (current: { requests: Agents; streams: Agents } | undefined): http.Agent[] =>
	current ? [current.requests, current.streams].flatMap(({ plain, secure }) => [plain, secure]) : []

const nameOf = ({ host = '', port = '' }: RequestOptions = {}) => `${host}:${port}`
