// The control API over plain HTTP, and beside it what a development machine offers over plain HTTP too: the managed
// identity endpoint and an HTTPS proxy. The control API answers with values and has no login: it belongs on
// loopback, or in a cluster that is thrown away.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { readBody } from '../http/body.ts'
import { parseQuery } from '../http/message.ts'
import { refusalOf } from '../page/guard.ts'
import { page } from '../page/page.ts'
import type { EmulatorState } from '../state.ts'
import { MANAGED_IDENTITY_PATH, managedIdentityToken } from '../tokens/managed-identity.ts'
import { managedIdentity } from '../tokens/wiring.ts'
import { CONTROL_PATH } from './client.ts'
import { checkArgument, OPERATION_NAMES } from './schema.ts'
import { ControlError, type EmulatorControl } from './types.ts'

/** 10,000 secrets of a few hundred bytes each in one call, with room. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

export interface ControlServer {
	readonly state: EmulatorState
	readonly control: EmulatorControl
	/** It listens on loopback: only requests addressed to a loopback name are answered. Whom else it refuses: page/guard.ts. */
	readonly loopbackOnly: boolean
	readonly onDefect: (error: unknown) => void
}

export function createControlServer(options: ControlServer): Server {
	return createServer((message, response) => {
		handle(options, message, response).catch((error: unknown) => {
			if (error instanceof ControlError) {
				const status = error.code.endsWith('NotFound') ? 404 : (STATUS[error.code] ?? 400)
				return send(response, status, { error: { code: error.code, message: error.message } })
			}
			options.onDefect(error)
			if (response.headersSent) response.destroy()
			else send(response, 500, { error: { code: 'InternalError', message: 'the emulator failed; see its log' } })
		})
	})
}

const STATUS: Readonly<Record<string, number>> = {
	Forbidden: 403,
	MethodNotAllowed: 405,
	TooLarge: 413,
	UnsupportedMediaType: 415,
}

/** Operations that change nothing, and may be asked by GET. */
const READS: readonly string[] = ['requests', 'requestCounts', 'listVaults', 'listFaults']

async function handle(options: ControlServer, message: IncomingMessage, response: ServerResponse): Promise<void> {
	const [path = '', search = ''] = (message.url ?? '/').split('?')
	const navigation = path === '/' && (message.method === 'GET' || message.method === 'HEAD')
	const refusal = refusalOf(message, { loopbackOnly: options.loopbackOnly, navigation })
	if (refusal !== undefined) throw new ControlError(refusal, 'Forbidden')
	if (path === '/healthz') return send(response, 200, { status: 'ok' })
	if (navigation) {
		const { headers, body } = page()
		response.writeHead(200, headers).end(message.method === 'HEAD' ? undefined : body)
		return
	}
	// MSAL asks with a slash at the end.
	if (path.replace(/\/$/, '') === MANAGED_IDENTITY_PATH)
		return identity(options.state, message, response, parseQuery(search))
	const name = path.startsWith(`${CONTROL_PATH}/`) ? path.slice(CONTROL_PATH.length + 1) : ''
	const operation = OPERATION_NAMES.find((each) => each === name)
	if (!operation)
		throw new ControlError(`there is no ${path.slice(0, 200)}; operations: ${OPERATION_NAMES.join(', ')}`, 'NotFound')
	const input = await argument(operation, message, search)
	checkArgument(operation, input)
	send(response, 200, (await invoke(options.control, operation, input)) ?? {})
}

async function argument(operation: string, message: IncomingMessage, search: string): Promise<unknown> {
	if (message.method === 'GET' && READS.includes(operation)) {
		const since = new URLSearchParams(search).get('since')
		return since === null ? {} : { since: Number(since) }
	}
	if (message.method !== 'POST') throw new ControlError('use POST', 'MethodNotAllowed')
	// A browser cannot send this type to another origin without asking first.
	if (!/^application\/json\b/i.test(message.headers['content-type'] ?? '')) {
		throw new ControlError('send application/json', 'UnsupportedMediaType')
	}
	const body = await readBody(message, MAX_BODY_BYTES)
	if (body === undefined) throw new ControlError(`the body has more than ${MAX_BODY_BYTES} bytes`, 'TooLarge')
	try {
		return body.length === 0 ? {} : (JSON.parse(body.toString('utf8')) as unknown)
	} catch {
		throw new ControlError('the body is not JSON')
	}
}

async function invoke(control: EmulatorControl, operation: keyof EmulatorControl, input: unknown): Promise<unknown> {
	if (operation === 'removeFault') return control.removeFault((input as { id: string }).id)
	return (control[operation] as (argument: unknown) => Promise<unknown>)(input)
}

async function identity(
	state: EmulatorState,
	message: IncomingMessage,
	response: ServerResponse,
	query: ReadonlyMap<string, string>,
): Promise<void> {
	const entry = state.log.begin({ kind: 'token', route: 'managedIdentity', method: message.method ?? '' })
	const { reply, client } = await managedIdentityToken(managedIdentity(state), query, message.headers)
	if (client) entry.clientId = client.clientId
	entry.status = reply.status
	send(response, reply.status, reply.json)
}

function send(response: ServerResponse, status: number, body: unknown): void {
	const text = JSON.stringify(body)
	response.writeHead(status, {
		'Content-Type': 'application/json; charset=utf-8',
		'Content-Length': Buffer.byteLength(text),
	})
	response.end(text)
}
