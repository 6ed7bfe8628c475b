// Plain HTTP on loopback in front of an API server, adding the credentials: who is started against it needs none. It can stop
// a request at an exact moment, before the API server sees it or before its answer gets back, and answer in its place.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { KubeConfig } from '@kubernetes/client-node'

export interface SeenRequest {
	method: string
	/** without the query */
	path: string
	/** with its question mark; empty without */
	query: string
	/** text of the body */
	body: string
}

export interface Held {
	/** resolves when a matching request is held */
	arrived: Promise<SeenRequest>
	/** lets it go on; nothing is held any more */
	release(): void
}

/** What is answered in place of the API server. */
export interface Refusal {
	status: number
	/** as the API server writes it, such as `Conflict` */
	reason: string
	/** seconds, as a header */
	retryAfter?: number
	/** sends it as the only event of a watch that was opened with 200 */
	inBand?: true
}

export interface Gateway {
	/** `http://127.0.0.1:port` */
	server: string
	/**
	 * Holds the first matching request. `request`: the API server does not see it. `answer`: the API server has done it, and
	 * whoever asked does not hear of it.
	 */
	hold(what: 'request' | 'answer', matches: (request: SeenRequest) => boolean): Held
	/** Ends the connections of matching requests instead, before or after the API server has done them, until `restore`. */
	drop(what: 'request' | 'answer', matches: (request: SeenRequest) => boolean): void
	/** The next `times` requests whose line (`PATCH /api/v1/…?query`) matches are refused. @returns how many were so far */
	refuse(line: RegExp, times: number, refusal: Refusal): () => number
	/** Ends all connections; new ones work. */
	reset(): void
	/** Ends all connections and refuses new ones, as an API server that restarts, until `restore`. */
	cut(): void
	/** Takes back what `cut`, `drop` and `refuse` did. */
	restore(): void
	close(): Promise<void>
}

interface Rule {
	what: 'request' | 'answer'
	matches: (request: SeenRequest) => boolean
	/** how often it applies */
	times: number
	/** @returns when the request may go on, with what is answered instead, if anything; rejects when it may not */
	apply(request: SeenRequest): Promise<Refusal | undefined>
}

class Dropped extends Error {
	override readonly name = 'Dropped'
}

export async function startGateway(kubeConfig: KubeConfig): Promise<Gateway> {
	const auth: RequestOptions = {}
	await kubeConfig.applyToHTTPSOptions(auth)
	const base = new URL(kubeConfig.getCurrentCluster()?.server ?? '')
	const { ca, cert, key, servername, rejectUnauthorized } = auth
	const agent = new Agent({ keepAlive: true, ca, cert, key, servername, rejectUnauthorized })
	const sockets = new Set<Socket>()
	let isCut = false
	let rules: Rule[] = []

	const pass = async (what: Rule['what'], seen: SeenRequest): Promise<Refusal | undefined> => {
		const rule = rules.find((each) => each.what === what && each.matches(seen))
		if (!rule) return undefined
		rule.times -= 1
		if (rule.times === 0) rules = rules.filter((each) => each !== rule)
		return rule.apply(seen)
	}
	const forward = (seen: SeenRequest, url: URL, headers: IncomingHttpHeaders) =>
		new Promise<IncomingMessage>((resolve, reject) => {
			const { host: _host, connection: _connection, ...rest } = headers
			const options = { agent, method: seen.method, headers: { ...rest, ...auth.headers } }
			const onward = request(new URL(url.pathname + url.search, base), options as RequestOptions, resolve)
			onward.on('error', reject)
			onward.end(seen.body)
		})
	const answer = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
		const url = new URL(incoming.url ?? '/', base)
		const chunks: Buffer[] = []
		for await (const chunk of incoming) chunks.push(chunk as Buffer)
		const { method = '' } = incoming
		const body = Buffer.concat(chunks).toString('utf8')
		const seen = { method, path: url.pathname, query: url.search, body }
		const refusal = await pass('request', seen)
		if (outgoing.destroyed) return
		if (refusal) {
			refuse(outgoing, refusal)
			return
		}
		const upstream = await forward(seen, url, incoming.headers)
		try {
			await pass('answer', seen)
		} catch (error) {
			upstream.destroy()
			throw error
		}
		const { connection: _connection, ...headers } = upstream.headers
		outgoing.writeHead(upstream.statusCode ?? 502, headers)
		// The headers of a watch come long before its first event.
		outgoing.flushHeaders()
		outgoing.on('close', () => upstream.destroy())
		upstream.on('error', () => outgoing.destroy())
		upstream.pipe(outgoing)
	}
	const server = createServer((incoming, outgoing) => {
		outgoing.on('error', () => {})
		answer(incoming, outgoing).catch(() => outgoing.destroy())
	})
	server.on('connection', (socket) => {
		if (isCut) {
			socket.resetAndDestroy()
			return
		}
		sockets.add(socket)
		socket.on('error', () => {}).on('close', () => sockets.delete(socket))
	})
	await new Promise<void>((resolve) => {
		server.listen(0, '127.0.0.1', resolve)
	})
	const reset = () => {
		for (const socket of sockets) socket.resetAndDestroy()
	}
	return {
		server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		hold(what, matches) {
			const arrived = Promise.withResolvers<SeenRequest>()
			const released = Promise.withResolvers<void>()
			const rule: Rule = {
				what,
				matches,
				times: 1,
				async apply(seen) {
					arrived.resolve(seen)
					await released.promise
					return undefined
				},
			}
			rules.push(rule)
			return {
				arrived: arrived.promise,
				release() {
					rules = rules.filter((each) => each !== rule)
					released.resolve()
				},
			}
		},
		drop(what, matches) {
			const times = Number.POSITIVE_INFINITY
			rules.push({ what, matches, times, apply: () => Promise.reject(new Dropped('dropped by the test')) })
		},
		refuse(line, times, refusal) {
			let hits = 0
			rules.push({
				what: 'request',
				matches: ({ method, path, query }) => line.test(`${method} ${path}${query}`),
				times,
				async apply() {
					hits++
					return refusal
				},
			})
			return () => hits
		},
		reset,
		cut() {
			isCut = true
			reset()
		},
		restore() {
			isCut = false
			rules = []
		},
		async close() {
			reset()
			agent.destroy()
			await new Promise<void>((resolve) => {
				server.close(() => resolve())
			})
		},
	}
}

function refuse(outgoing: ServerResponse, { status, reason, retryAfter, inBand }: Refusal): void {
	const object = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, reason, message: reason }
	outgoing.writeHead(inBand ? 200 : status, {
		'content-type': 'application/json',
		...(retryAfter ? { 'retry-after': String(retryAfter) } : {}),
	})
	outgoing.end(inBand ? `${JSON.stringify({ type: 'ERROR', object })}\n` : JSON.stringify(object))
}
