import type { IncomingMessage } from 'node:http'
import type { RequestOptions } from 'node:https'
import { KubeError } from '../ports/kube-error.ts'
import type { ObserveRequest, RequestLabels } from '../ports/observe.ts'
import { isTooDeep } from '../process/json-depth.ts'
import { readText } from '../process/read-text.ts'
import { createConnections, MAX_CONNECTIONS } from './connections.ts'
import { createDeadline, type Deadline } from './deadline.ts'
import { errorFromNetwork, errorFromStatus, TOO_LONG } from './errors.ts'
import { MAX_DEPTH, readLines } from './lines.ts'
import { describeRequest, isSensitive, type Method, permissionFor } from './paths.ts'
import type { KubeAccess } from './pod-access.ts'

/** Content types of PATCH. Bodies are JSON, which is also valid YAML for server-side apply. */
export const PATCH = {
	merge: 'application/merge-patch+json',
	apply: 'application/apply-patch+yaml',
	json: 'application/json-patch+json',
	strategic: 'application/strategic-merge-patch+json',
} as const

export interface KubeRequest {
	method: Method
	/** absolute path without a query */
	path: string
	query?: Record<string, string> | undefined
	body?: unknown
	/** default: JSON, and JSON merge patch for PATCH */
	contentType?: string | undefined
	signal?: AbortSignal | undefined
	/** deadline of the whole request including its body, milliseconds */
	timeoutMs?: number | undefined
	/** what a longer answer is refused by, with the code TOO_LONG; default: 32 MiB */
	maxBytes?: number | undefined
}

interface KubeStreamRequest {
	path: string
	query?: Record<string, string> | undefined
	signal?: AbortSignal | undefined
	/** deadline until the answer's headers, milliseconds */
	timeoutMs?: number | undefined
	/** the stream fails with kind `timeout` when no line is complete after this long, milliseconds */
	inactivityMs: number
}

/** Talks to one API server as one user. Nothing is retried here: the queue and the watch do that. */
export interface KubeTransport {
	/**
	 * The parsed JSON of a successful answer (`undefined` for an empty one).
	 * @throws KubeError for every answer of 400 and above and for every network fault or deadline
	 * @throws `signal.reason` when the caller aborted
	 */
	request<T>(request: KubeRequest): Promise<T>
	/**
	 * Opens a GET and resolves when its answer begins, to its lines as they arrive. They end when the server ends them, and
	 * throw like `request` otherwise. Iterate at once, and to the end or out of the loop: that is what closes the connection.
	 */
	stream(request: KubeStreamRequest): Promise<AsyncGenerator<string, void, undefined>>
	/** Closes all connections; running requests fail as unreachable. */
	close(): Promise<void>
}

export interface KubeTransportOptions {
	kubeConfig: KubeAccess
	userAgent?: string | undefined
	observe?: ObserveRequest | undefined
	/** default deadline of a request, milliseconds */
	timeoutMs?: number | undefined
	/** at once, beside those of watches; default: room for all workers of an operator */
	maxConnections?: number | undefined
}

// The API server itself gives up on ordinary requests after 60 s; a healthy one answers in well under one. 30 s tells a
// half-open connection from a slow server without holding a worker for a minute.
const REQUEST_TIMEOUT_MS = 30_000
// A page of a list: 500 bindings of 64 kB. What is longer is asked for in shorter pages (watch.ts); one object has 1.5 MiB.
const MAX_BYTES = 32 * 1024 * 1024
// A `Status` is a sentence or a few.
const MAX_ERROR_BYTES = 1024 * 1024

/**
 * A transport with one shared, reused set of connections. Server, TLS and authentication come from the client library's
 * `KubeConfig` or from what a pod is given, which is asked anew for each request: it re-reads a rotated token file, runs exec plugins when needed, and
 * we keep no header. When the TLS material changes (a rotated CA or client certificate) the connections are replaced.
 */
export function createKubeTransport(options: KubeTransportOptions): KubeTransport {
	const { kubeConfig, userAgent = 'azure-secret-binding', observe = () => {} } = options
	const connections = createConnections(options.maxConnections ?? MAX_CONNECTIONS)

	const open = async (
		line: RequestLine,
		request: KubeRequest & { isStream: boolean },
		signal: AbortSignal,
	): Promise<IncomingMessage> => {
		const cluster = kubeConfig.getCurrentCluster()
		if (!cluster?.server) throw new KubeError('other', 'the kubeconfig has no current cluster')
		if (cluster.proxyUrl) throw new KubeError('other', 'the kubeconfig names a proxy: proxies are not supported')
		const auth: RequestOptions = {}
		await kubeConfig.applyToHTTPSOptions(auth)
		const url = new URL(cluster.server.replace(/\/$/, '') + request.path)
		for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value)
		// Nothing packed: an API server packs long lists, and what unpacks to how much nobody knows before.
		const headers: Record<string, string> = {
			accept: 'application/json',
			'accept-encoding': 'identity',
			'user-agent': userAgent,
		}
		for (const [name, value] of Object.entries(auth.headers ?? {})) headers[name.toLowerCase()] = String(value).trim()
		if (auth.auth) headers['authorization'] = `Basic ${Buffer.from(auth.auth).toString('base64')}`
		if (request.body !== undefined) {
			headers['content-type'] = request.contentType ?? (request.method === 'PATCH' ? PATCH.merge : 'application/json')
		}
		const response = await connections.send(url, auth, {
			method: request.method,
			headers,
			body: request.body === undefined ? undefined : JSON.stringify(request.body),
			signal,
			isStream: request.isStream,
		})
		const { statusCode: status = 0 } = response
		line.status = String(status)
		if (status < 400) {
			if ((response.headers['content-encoding'] ?? 'identity') === 'identity') return response
			response.destroy()
			throw new KubeError('server', `${line.text}: the answer is packed, and nothing packed was asked for`)
		}
		throw errorFromStatus({
			request: line.text,
			status,
			retryAfter: response.headers['retry-after'],
			body: parse((await readText(response, MAX_ERROR_BYTES, signal)) ?? ''),
			sensitive: isSensitive(line.labels),
			permission: permissionFor(line.labels, request.path),
		})
	}

	return {
		async request<T>(request: KubeRequest): Promise<T> {
			const line = createLine(request.method, request.path)
			const started = performance.now()
			const deadline = createDeadline(request.signal, request.timeoutMs ?? options.timeoutMs ?? REQUEST_TIMEOUT_MS)
			try {
				const response = await open(line, { ...request, isStream: false }, deadline.signal)
				const { maxBytes = MAX_BYTES } = request
				const text = await readText(response, maxBytes, deadline.signal)
				if (text === undefined)
					throw new KubeError('server', `${line.text}: the answer has more than ${maxBytes} bytes`, { code: TOO_LONG })
				if (isTooDeep(text, MAX_DEPTH)) throw new KubeError('server', `${line.text}: the answer is nested too deep`)
				// The one place where an answer gets its type: callers name it, and parse what they did not write themselves.
				return (text === '' ? undefined : JSON.parse(text)) as T
			} catch (error) {
				if (deadline.expired) connections.distrust()
				throw explain(error, line, deadline, request.signal)
			} finally {
				deadline.clear()
				observe({ ...line.labels, status: line.status }, (performance.now() - started) / 1000)
			}
		},

		async stream(request: KubeStreamRequest) {
			const line = createLine('GET', request.path, request.query?.['watch'] !== undefined)
			const started = performance.now()
			const deadline = createDeadline(request.signal, request.timeoutMs ?? options.timeoutMs ?? REQUEST_TIMEOUT_MS)
			const finish = () => {
				if (deadline.expired) connections.distrust()
				deadline.clear()
				observe({ ...line.labels, status: line.status }, (performance.now() - started) / 1000)
			}
			try {
				const response = await open(line, { ...request, method: 'GET', isStream: true }, deadline.signal)
				deadline.stop()
				return streamLines(response, request, line, deadline, finish)
			} catch (error) {
				const explained = explain(error, line, deadline, request.signal)
				finish()
				throw explained
			}
		},

		async close() {
			connections.close()
		},
	}
}

async function* streamLines(
	body: IncomingMessage,
	{ signal, inactivityMs }: KubeStreamRequest,
	line: RequestLine,
	deadline: Deadline,
	finish: () => void,
): AsyncGenerator<string, void, undefined> {
	let left = inactivityMs
	let since = 0
	const waiting = (isFresh: boolean) => {
		if (isFresh) left = inactivityMs
		since = performance.now()
		deadline.restart(left)
	}
	const arrived = () => {
		deadline.stop()
		left -= performance.now() - since
	}
	try {
		yield* readLines(body, { waiting, arrived })
	} catch (error) {
		throw explain(error, line, deadline, signal)
	} finally {
		finish()
	}
}

interface RequestLine {
	labels: RequestLabels
	text: string
	status: string
}

function createLine(method: Method, path: string, watch = false): RequestLine {
	const labels = describeRequest(method, path, watch)
	return { labels, text: `${labels.verb} ${path}`, status: 'unreachable' }
}

/** Turns whatever was thrown into what callers may see, and notes the outcome for the metric. */
function explain(error: unknown, line: RequestLine, deadline: Deadline, signal: AbortSignal | undefined): unknown {
	if (signal?.aborted) {
		line.status = 'aborted'
		return signal.reason
	}
	if (deadline.expired) {
		line.status = 'timeout'
		return new KubeError('timeout', `${line.text}: no answer within ${deadline.ms} ms`)
	}
	if (error instanceof KubeError) return error
	if (error instanceof SyntaxError) {
		// A proxy's HTML page, or a body cut short: not the API server we know. The error's text quotes the body, so it goes.
		return new KubeError('server', `${line.text}: the answer is not JSON`)
	}
	line.status = 'unreachable'
	return errorFromNetwork(line.text, error)
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text)
	} catch {
		return undefined
	}
}
