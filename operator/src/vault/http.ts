import type { IncomingMessage } from 'node:http'
import type { Agent } from 'node:https'
import type { HttpClient, PipelineRequest, PipelineResponse } from '@azure/core-rest-pipeline'
import { VaultError } from '../ports/vault.ts'
import { linkAbort } from '../process/abort.ts'
import { isTooDeep } from '../process/json-depth.ts'
import { readText } from '../process/read-text.ts'

/** Sends what a pipeline has made of a request. */
export interface Sender {
	/** Resolves when the answer begins. The request is destroyed when `signal` aborts: it is one for each. */
	send(request: PipelineRequest, signal: AbortSignal): Promise<IncomingMessage>
	headersOf(answer: IncomingMessage): PipelineResponse['headers']
}

export interface BoundedOptions {
	/** deadline of one request from its first byte to the last of its answer, milliseconds */
	timeoutMs: number
	/** the longest answer */
	maxBytes: number
	/** requests go there and nowhere else; undefined: wherever the library wants */
	origin?: string | undefined
	/** hosts that are reached by `agent`, whatever proxy the environment names */
	direct?: { to(host: string): boolean; agent: Agent } | undefined
	/** a request leaves */
	onSend?: (() => void) | undefined
}

/**
 * A client for HTTP with bounds, for all requests of a pipeline: it is its last step, behind proxies and tokens.
 *
 * 1. A request to another host is not sent, so that neither a link to a next page nor a redirect takes our token there.
 * 2. One deadline covers the whole answer. The library's own ended with the headers (before 0.3.11 of its runtime) or begins
 *    anew with each byte, and a promise that never settles holds a worker.
 * 3. Nothing packed is asked for, and none is unpacked: a gzip of 600 kB may be 600 MB. A vault answers with kilobytes.
 * 4. An answer that is too long or nested too deep is cut. With a status of 400 and above the status still counts.
 */
export function createBoundedClient(options: BoundedOptions, sender: Sender): HttpClient {
	return {
		async sendRequest(request) {
			const { origin, hostname } = new URL(request.url)
			if (options.origin !== undefined && origin !== options.origin) throw garbage()
			if (options.direct?.to(hostname)) request.agent = options.direct.agent
			request.headers.set('accept-encoding', 'identity')
			const { controller, release } = linkAbort(request.abortSignal as AbortSignal | undefined)
			let late = false
			const timer = setTimeout(() => {
				late = true
				controller.abort(new VaultError({ kind: 'timeout' }))
			}, options.timeoutMs)
			try {
				options.onSend?.()
				const { signal } = controller
				const answer = await sender.send(request, signal)
				const { statusCode: status = 0 } = answer
				const isPacked = (answer.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity'
				const text = isPacked ? undefined : await readText(answer, options.maxBytes, signal)
				const isReadable = text !== undefined && !isTooDeep(text, MAX_DEPTH)
				// What is still arriving of it ends. Never after a whole answer: its connection is used again.
				if (text === undefined) controller.abort()
				if (!isReadable && status < 400) throw garbage()
				return { status, headers: sender.headersOf(answer), request, bodyAsText: isReadable ? text : '' }
			} catch (error) {
				// Whatever was made of the abort.
				if (late) throw new VaultError({ kind: 'timeout' })
				throw error
			} finally {
				clearTimeout(timer)
				release()
			}
		},
	}
}

// What a vault or Entra answers is five deep at most: an error in an error.
const MAX_DEPTH = 32

const garbage = () => new VaultError({ kind: 'garbage' })
