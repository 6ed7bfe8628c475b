import type { IncomingMessage } from 'node:http'
import { Agent, request as open } from 'node:https'
import { destroyOnAbort } from '../process/abort.ts'
import type { Sender } from './http.ts'

type Library = Pick<typeof import('./sdk.ts'), 'createHttpHeaders' | 'RestError'>

/**
 * Node's own client for the last step of the library's pipeline. The library's is ready for uploads, progress and packed answers as
 * well, and each read of a secret pays for it.
 *
 * A body is a text, and a connection that of the request's `agent`: of a proxy, or of ours.
 */
export function createSender({ createHttpHeaders, RestError }: Library): Sender {
	let agent: Agent | undefined
	// Of who names none, which is the client of Entra.
	const agentOf = () => {
		agent ??= new Agent({ keepAlive: true })
		return agent
	}
	return {
		send: (request, signal) =>
			new Promise<IncomingMessage>((resolve, reject) => {
				const { protocol, hostname, port, pathname, search } = new URL(request.url)
				if (protocol !== 'https:') throw new Error('tokens and values are sent by https only')
				const body = request.body ?? ''
				if (typeof body !== 'string') throw new Error('a body that is no text')
				const headers: Record<string, string> = request.headers.toJSON({ preserveCase: true })
				if (body !== '') headers['Content-Length'] = String(Buffer.byteLength(body))
				const { method } = request
				const path = `${pathname}${search}`
				const connections = (request.agent as Agent | undefined) ?? agentOf()
				const sent = open({ hostname, port, path, method, headers, agent: connections })
				destroyOnAbort(sent, signal)
				sent.on('error', (error: NodeJS.ErrnoException) => {
					const { message, code = RestError.REQUEST_SEND_ERROR } = error
					reject(signal.aborted ? error : new RestError(message, { code, request }))
				})
				sent.once('response', (answer) => {
					// An error without a listener ends the process, and an answer may break off while nobody reads it.
					answer.on('error', () => {})
					resolve(answer)
				})
				sent.end(body)
			}),
		headersOf(answer) {
			const headers = createHttpHeaders()
			for (const [name, value = ''] of Object.entries(answer.headers))
				headers.set(name, Array.isArray(value) ? (value[0] ?? '') : value)
			return headers
		},
	}
}
