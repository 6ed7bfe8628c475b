import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Undefined when all is well; otherwise a short reason for people who look. Must be quick and not throw. */
type Check = () => string | undefined

export interface ProbeOptions {
	/** 0 picks a free one */
	port: number
	host?: string | undefined
	/** `/healthz`: a reason makes the kubelet restart the container, so only what a restart mends belongs here */
	live: Check
	/** `/readyz`: a reason takes the pod out of rollouts and services */
	ready: Check
	/** `/metrics` */
	metrics: { contentType: string; text(): Promise<string> }
}

export interface Probes {
	port: number
	/** Stops listening, lets running answers finish for a moment, then cuts them. Idempotent. */
	close(): Promise<void>
}

// A scrape takes milliseconds; a client that is slower than this at shutdown is gone or hostile.
const CLOSE_GRACE_MS = 1_000

/** Serves the three probe endpoints over plain HTTP. Rejects when the port cannot be had. */
export async function startProbes({ port, host = '0.0.0.0', live, ready, metrics }: ProbeOptions): Promise<Probes> {
	let closing: Promise<void> | undefined
	const answer = (response: ServerResponse, status: number, contentType: string, text: string) => {
		// A connection kept alive would keep a server that closes waiting for it.
		const connection = closing ? { connection: 'close' } : {}
		response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store', ...connection })
		response.end(text)
	}
	const check = (response: ServerResponse, problem: string | undefined) => {
		answer(response, problem === undefined ? 200 : 503, 'text/plain; charset=utf-8', `${problem ?? 'ok'}\n`)
	}
	const server = createServer((request, response) => {
		request.resume()
		const path = (request.url ?? '').split('?')[0]
		if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, 'text/plain', 'GET only\n')
		else if (path === '/healthz') check(response, live())
		else if (path === '/readyz') check(response, ready())
		else if (path === '/metrics') {
			metrics.text().then(
				(text) => answer(response, 200, metrics.contentType, text),
				() => answer(response, 500, 'text/plain', 'metrics failed\n'),
			)
		} else answer(response, 404, 'text/plain', 'not found\n')
	})
	// Probes and scrapes are small and rare: whoever is slower than this holds a socket for no good reason.
	server.requestTimeout = 10_000
	server.headersTimeout = 10_000
	server.maxConnections = 100
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
