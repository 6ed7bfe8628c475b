import type { Agent } from 'node:https'
import type { HttpClient } from '@azure/core-rest-pipeline'
import { VaultError } from '../ports/vault.ts'
import { linkAbort } from '../process/abort.ts'
import { isTooDeep } from '../process/json-depth.ts'
import { readText } from './body.ts'

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
 * The library's client for HTTP with bounds, for all requests of a pipeline: it is its last step, behind proxies and tokens.
 *
 * 1. A request to another host is not sent, so that neither a link to a next page nor a redirect takes our token there.
 * 2. One deadline covers the whole answer. The library's own ended with the headers (before 0.3.11 of its runtime) or begins
 *    anew with each byte, and a promise that never settles holds a worker.
 * 3. Nothing packed is asked for, and none is unpacked: a gzip of 600 kB may be 600 MB. A vault answers with kilobytes.
 * 4. An answer that is too long or nested too deep is cut. With a status of 400 and above the status still counts.
 */
export function createBoundedClient(options: BoundedOptions, inner: HttpClient): HttpClient {
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
				const own = { ...request, timeout: 0, abortSignal: controller.signal, streamResponseStatusCodes: ALL }
				const { readableStreamBody, bodyAsText, ...response } = await inner.sendRequest(own)
				const text = readableStreamBody
					? await readText(readableStreamBody, response.headers, options.maxBytes, controller.signal)
					: (bodyAsText ?? '')
				const usable = text !== undefined && !isTooDeep(text, MAX_DEPTH)
				// What is still arriving of it ends. Never after a whole answer: its connection is used again.
				if (text === undefined) controller.abort()
				if (!usable && response.status < 400) throw garbage()
				return { ...response, request, bodyAsText: usable ? text : '' }
			} catch (error) {
				// Whatever the library made of the abort.
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

/** Bodies are read here and not by the library. */
const ALL = new Set([Number.POSITIVE_INFINITY])

const garbage = () => new VaultError({ kind: 'garbage' })
