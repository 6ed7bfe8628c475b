// One request, and its answer as the tests look at it.
import type { IncomingHttpHeaders } from 'node:http'
import { type Agent, request as httpsRequest } from 'node:https'
import type { Answer, Bundle, EntraBody, RawRequest } from './kit.ts'

/** One https request. Rejects when the connection fails or breaks off. */
export function send(agent: Agent, url: string, request: RawRequest): Promise<Answer> {
	const { method = 'GET', headers = {}, body } = request
	const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
	return new Promise((resolve, reject) => {
		const call = httpsRequest(url, {
			agent,
			method,
			headers: {
				...(text === undefined
					? {}
					: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
				...headers,
			},
		})
		call.on('error', reject)
		call.on('response', (answer) => {
			let received = ''
			answer.setEncoding('utf8')
			answer.on('data', (chunk: string) => {
				received += chunk
			})
			answer.on('error', reject)
			answer.on('end', () => resolve(answered(answer.statusCode ?? 0, answer.headers, received)))
		})
		call.end(text)
	})
}

export function answered(status: number, headers: IncomingHttpHeaders, text: string): Answer {
	let body: unknown
	try {
		body = JSON.parse(text)
	} catch {
		body = undefined
	}
	return {
		status,
		headers,
		text,
		body,
		bundle: body as Bundle,
		page: body as Answer['page'],
		error: (body as { error: Answer['error'] } | undefined)?.error as Answer['error'],
		entra: body as EntraBody,
	}
}
