import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** Answers JSON; what it throws becomes a 500 with the name of the error only, for messages may quote input. */
export type Handler = (body: unknown) => Promise<{ status: number; body: unknown }>

/** Bodies here are `{"name": "…"}`; anything larger is a mistake. */
const MAX_BODY_BYTES = 16 * 1024

/** A server for `METHOD /path` → handler. */
export function jsonServer(routes: Readonly<Record<string, Handler>>): Server {
	return createServer((request, response) => {
		void answer(routes, request, response)
	})
}

async function answer(
	routes: Readonly<Record<string, Handler>>,
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const reply = (status: number, body: unknown) => {
		response.writeHead(status, { 'content-type': 'application/json' })
		response.end(JSON.stringify(body))
	}
	const path = new URL(request.url ?? '/', 'http://service').pathname
	const handler = routes[`${request.method} ${path}`]
	if (!handler) return reply(404, { error: `no such route; there are: ${Object.keys(routes).join(', ')}` })
	try {
		const { status, body } = await handler(await readJson(request))
		reply(status, body)
	} catch (error) {
		reply(500, { error: error instanceof Error ? error.name : 'unknown' })
	}
}

async function readJson(request: IncomingMessage): Promise<unknown> {
	const chunks: Buffer[] = []
	let size = 0
	for await (const chunk of request as AsyncIterable<Buffer>) {
		size += chunk.length
		if (size > MAX_BODY_BYTES) throw new RangeError('body too large')
		chunks.push(chunk)
	}
	return size === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString('utf8'))
}
