import { type Agent, request as open, type RequestOptions } from 'node:https'
import { answerTo } from '../process/abort.ts'
import type { Asker } from './agent.ts'
import { AnswerHeaders } from './answer-headers.ts'
import type { Sender } from './http.ts'
import { endTunnelWith } from './tunnel.ts'

type Library = Pick<typeof import('./sdk.ts'), 'RestError'>

/**
 * Node's own client for the last step of the library's pipeline. The library's is ready for uploads, progress and packed answers as
 * well, and each read of a secret pays for it.
 *
 * A body is a text, and a connection that of the request's `agent`, which is a proxy's, or of ours.
 *
 * @param asker for whom it sends: connections are apart
 */
export function createSender({ RestError }: Library, ours: Agent, asker: Asker): Sender {
	return {
		async send(request, signal) {
			const { protocol, hostname, port, pathname, search } = new URL(request.url)
			if (protocol !== 'https:') throw new Error('tokens and values are sent by https only')
			const body = request.body ?? ''
			if (typeof body !== 'string') throw new Error('a body that is no text')
			const headers: Record<string, string> = request.headers.toJSON({ preserveCase: true })
			if (body !== '') headers['Content-Length'] = String(Buffer.byteLength(body))
			const { method } = request
			const path = `${pathname}${search}`
			const agent = (request.agent as Agent | undefined) ?? ours
			const to: RequestOptions & Asker = { hostname, port, path, method, headers, agent, ...asker }
			const sent = open(to)
			endTunnelWith(signal, sent, agent)
			try {
				return await answerTo(sent, body, signal)
			} catch (error) {
				if (signal.aborted) throw error
				const { message, code = RestError.REQUEST_SEND_ERROR } = error as NodeJS.ErrnoException
				throw new RestError(message, { code, request })
			}
		},
		headersOf: ({ headers }) => new AnswerHeaders(headers),
	}
}
