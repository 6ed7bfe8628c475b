import { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'

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

export function rawClient(target: { kubeconfig: string; context: string }, token: string): RawClient {
	const config = new KubeConfig()
	config.loadFromFile(target.kubeconfig)
	config.setCurrentContext(target.context)
	const cluster = config.getCurrentCluster()
	if (!cluster?.caData) throw new Error(`the context ${target.context} has no CA in it`)
	const ca = Buffer.from(cluster.caData, 'base64')
	new X509Certificate(ca) // a CA that does not parse would be reported as an untrusted server
	const server = cluster.server.replace(/\/$/, '')
	return ({ method, path, body, contentType }) =>
		new Promise((resolve, reject) => {
			const sent = body === undefined ? undefined : JSON.stringify(body)
			const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: 'application/json' }
			if (sent !== undefined) headers['content-type'] = contentType ?? 'application/json'
			const call = request(`${server}${path}`, { method, ca, headers, timeout: TIMEOUT_MS }, (response) => {
				let text = ''
				response.setEncoding('utf8').on('data', (chunk: string) => {
					text += chunk
				})
				response.on('error', reject)
				response.on('end', () => resolve({ status: response.statusCode ?? 0, text, json: parse(text) }))
			})
			call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer within ${TIMEOUT_MS} ms`)))
			call.on('error', reject)
			call.end(sent)
		})
}

function parse(text: string): Record<string, unknown> {
	try {
		const value: unknown = JSON.parse(text)
		return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
	} catch {
		return {}
	}
}
