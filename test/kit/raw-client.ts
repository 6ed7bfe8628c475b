import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { parse } from 'yaml'

/** What the API server answered, whatever it was. */
export interface RawAnswer {
	readonly status: number
	readonly text: string
	/** The parsed answer; an empty object when it is not JSON. */
	readonly json: Record<string, unknown>
}

export interface RawRequest {
	readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
	/** Path with its query. */
	readonly path: string
	readonly body?: unknown
	readonly contentType?: string
}

/** Sends a request as the bearer of a token, without a client library that would read first, retry or hide the answer. */
export type RawClient = (request: RawRequest) => Promise<RawAnswer>

/** Milliseconds; an API server that takes longer for one small object is broken. */
const TIMEOUT_MS = 30_000

interface Kubeconfig {
	readonly contexts: ReadonlyArray<{ name: string; context: { cluster: string } }>
	readonly clusters: ReadonlyArray<{
		name: string
		cluster: { server: string; 'certificate-authority-data'?: string; 'certificate-authority'?: string }
	}>
}

/** Only server and CA are taken from the kubeconfig: its user is an administrator. */
function serverOf(target: { kubeconfig: string; context: string }): { server: string; ca: Buffer } {
	const config = parse(readFileSync(target.kubeconfig, 'utf8')) as Kubeconfig
	const context = config.contexts.find(({ name }) => name === target.context)
	const cluster = config.clusters.find(({ name }) => name === context?.context.cluster)?.cluster
	if (!cluster) throw new Error(`${target.kubeconfig} has no context ${target.context}`)
	const { server, 'certificate-authority-data': data, 'certificate-authority': file } = cluster
	if (!data && !file) throw new Error(`${target.kubeconfig} has no CA for ${target.context}`)
	return { server: server.replace(/\/$/, ''), ca: data ? Buffer.from(data, 'base64') : readFileSync(file ?? '') }
}

export function rawClient(target: { kubeconfig: string; context: string }, token: string): RawClient {
	const { server, ca } = serverOf(target)
	return ({ method, path, body, contentType }) =>
		new Promise((resolve, reject) => {
			const sent = body === undefined ? undefined : JSON.stringify(body)
			const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: 'application/json' }
			if (sent !== undefined) {
				headers['content-type'] = contentType ?? 'application/json'
				// Node sends the body of a DELETE without a length otherwise, and the server takes it for the next request.
				headers['content-length'] = String(Buffer.byteLength(sent))
			}
			const call = request(`${server}${path}`, { method, ca, headers, timeout: TIMEOUT_MS }, (response) => {
				let text = ''
				response.setEncoding('utf8').on('data', (chunk: string) => {
					text += chunk
				})
				response.on('error', reject)
				response.on('end', () => resolve({ status: response.statusCode ?? 0, text, json: objectIn(text) }))
			})
			call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer within ${TIMEOUT_MS} ms`)))
			call.on('error', reject)
			call.end(sent)
		})
}

function objectIn(text: string): Record<string, unknown> {
	try {
		const value: unknown = JSON.parse(text)
		return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
	} catch {
		return {}
	}
}
