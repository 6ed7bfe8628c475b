// The HTTPS side: sockets, bodies, and turning outcomes into bytes.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import type { Leaf, LeafStore } from '../tls/leaves.ts'
import { readBody } from './body.ts'
import { type Dispatch, dispatch, type Outcome } from './dispatch.ts'
import { type Incoming, parseHost, parseQuery } from './message.ts'
import { ServiceError } from './service-error.ts'

/** Longer than any client's keep-alive, so that the client, not we, ends an idle connection. */
const KEEP_ALIVE_MS = 120_000

const errorBody = (status: number, code: string, message: string): string =>
	JSON.stringify(new ServiceError(status, code, message).toReply().json)

export function createSecureServer(options: {
	context: Dispatch
	leaves: LeafStore
	defaultLeaf: Leaf
	/** Told about an error that is a defect of the emulator; never with values. */
	onDefect: (error: unknown) => void
}): Server {
	const { context, leaves, defaultLeaf, onDefect } = options
	const server = createServer({
		...defaultLeaf,
		minVersion: 'TLSv1.2',
		keepAliveTimeout: KEEP_ALIVE_MS,
		// A missing Host header is answered by us, in the service's error shape.
		requireHostHeader: false,
		SNICallback: (name, done) => done(null, leaves.context(name)),
	})
	server.on('request', (message: IncomingMessage, response: ServerResponse) => {
		handle(context, message, response).catch((error: unknown) => {
			onDefect(error)
			if (response.headersSent) response.destroy()
			else sendText(response, 500, errorBody(500, 'InternalServerError', 'The emulator failed; see its log.'))
		})
	})
	// What Node's parser refuses never becomes a request; it still gets the service's error shape.
	server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
		if (!socket.writable) return socket.destroy()
		const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
		const body = errorBody(Number.parseInt(status, 10), 'BadRequest', 'The request is not valid HTTP.')
		socket.end(
			`HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
		)
	})
	return server
}

async function handle(context: Dispatch, message: IncomingMessage, response: ServerResponse): Promise<void> {
	// Node would write the machine's time; clients compare it with the times of secrets, which are ours.
	response.setHeader('Date', new Date(context.state.clock.now()).toUTCString())
	const target = message.url ?? '/'
	const parsedHost = parseHost(message.headers.host)
	if (!target.startsWith('/') || !parsedHost) {
		return sendText(response, 400, errorBody(400, 'BadRequest', 'Bad Request - Invalid Hostname or request target.'))
	}
	let body: Buffer | undefined
	try {
		body = await readBody(message)
	} catch {
		// The client went away in the middle of its body: nobody is left to answer.
		return void response.destroy()
	}
	if (body === undefined) {
		response.setHeader('Connection', 'close')
		return sendText(response, 413, errorBody(413, 'RequestEntityTooLarge', 'The request body is too large.'))
	}
	const [path = '/', query = ''] = splitTarget(target)
	const request: Incoming = {
		method: message.method ?? 'GET',
		path,
		query: parseQuery(query),
		headers: message.headers,
		body,
		...parsedHost,
		remoteAddress: (message.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
	}
	send(message.socket, response, await dispatch(context, request))
}

const splitTarget = (target: string): [string, string] => {
	const at = target.indexOf('?')
	return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
}

function send(socket: Socket, response: ServerResponse, outcome: Outcome): void {
	switch (outcome.kind) {
		case 'hang':
			return
		case 'reset':
			// A TCP reset, as a broken middlebox sends; a TLS socket has none of its own, so the plain one below it does.
			resetSocket(socket)
			return
		case 'reply': {
			const { reply, truncate } = outcome
			const text = outcome.body ?? (reply.json === undefined ? '' : JSON.stringify(reply.json))
			for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value)
			if (!truncate) {
				sendText(response, reply.status, text)
				return
			}
			// The length of the whole body is promised, half of it comes.
			response.writeHead(reply.status, {
				'Content-Type': 'application/json; charset=utf-8',
				'Content-Length': Buffer.byteLength(text) + 1,
			})
			response.write(text.slice(0, Math.ceil(text.length / 2)), () => socket.destroy())
			return
		}
	}
}

function sendText(response: ServerResponse, status: number, text: string): void {
	const type: Record<string, string> =
		text === '' || response.hasHeader('Content-Type') ? {} : { 'Content-Type': 'application/json; charset=utf-8' }
	const length: Record<string, number> = status === 204 ? {} : { 'Content-Length': Buffer.byteLength(text) }
	response.writeHead(status, { ...type, ...length })
	response.end(text)
}

function resetSocket(socket: Socket): void {
	const inner = (socket as unknown as { _parent?: Socket })._parent ?? socket
	inner.resetAndDestroy()
	socket.destroy()
}
