import { createServer, type IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'

/** What the gateway answers in place of the API server. */
export interface Refusal {
	status: number
	/** as the API server writes it, such as `Conflict` */
	reason: string
	/** seconds, as a header */
	retryAfter?: number
	/** sends it as the only event of a watch that was opened with 200 */
	inBand?: true
}

/** An HTTP gateway on loopback before the real API server, which can answer in its place. For users with a token. */
export interface Gateway {
	/** `http://127.0.0.1:port` */
	server: string
	/** The next `times` requests whose line (`PATCH /api/v1/…?query`) matches are refused. @returns how many were so far */
	refuse(line: RegExp, times: number, refusal: Refusal): () => number
	/** Ends all connections; new ones work. */
	drop(): void
	close(): Promise<void>
}

export async function startGateway(to: { host: string; port: number }): Promise<Gateway> {
	const rules: { line: RegExp; left: number; hits: number; refusal: Refusal }[] = []
	const lineOf = ({ method, url }: IncomingMessage) => `${method} ${url}`
	const server = createServer((incoming, outgoing) => {
		const rule = rules.find(({ line, left }) => left > 0 && line.test(lineOf(incoming)))
		if (rule) {
			rule.left--
			rule.hits++
			const { status, reason, retryAfter, inBand } = rule.refusal
			const object = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, reason, message: reason }
			incoming.resume()
			const headers = {
				'content-type': 'application/json',
				...(retryAfter ? { 'retry-after': String(retryAfter) } : {}),
			}
			outgoing.writeHead(inBand ? 200 : status, headers)
			outgoing.end(inBand ? `${JSON.stringify({ type: 'ERROR', object })}\n` : JSON.stringify(object))
			return
		}
		// The test's own way to a server of the test; its certificate is not what this is about.
		const { method, url: path, headers } = incoming
		const upstream = request({ ...to, method, path, headers, rejectUnauthorized: false }, (answer) => {
			outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
			outgoing.flushHeaders()
			answer.on('error', () => outgoing.destroy()).pipe(outgoing)
		})
		upstream.on('error', () => outgoing.destroy())
		outgoing.on('close', () => upstream.destroy())
		incoming.pipe(upstream)
	})
	await new Promise<void>((resolve) => {
		server.listen(0, '127.0.0.1', resolve)
	})
	return {
		server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		refuse(line, times, refusal) {
			const rule = { line, left: times, hits: 0, refusal }
			rules.push(rule)
			return () => rule.hits
		},
		drop: () => server.closeAllConnections(),
		async close() {
			server.closeAllConnections()
			await new Promise<void>((resolve) => {
				server.close(() => resolve())
			})
		},
	}
}
