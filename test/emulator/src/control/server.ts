// The control API over plain HTTP. It answers with values and has no login: it belongs on loopback, or in a
// cluster that is thrown away.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { readBody } from '../http/body.ts'
import { CONTROL_PATH } from './client.ts'
import { checkArgument, OPERATION_NAMES } from './schema.ts'
import { ControlError, type EmulatorControl } from './types.ts'

/** 10,000 secrets of a few hundred bytes each in one call, with room. */
const MAX_BODY_BYTES = 64 * 1024 * 1024
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i

export function createControlServer(options: {
	control: EmulatorControl
	/** Only requests addressed to a loopback name: a page in a browser must not reach us by rebinding its own name. */
	loopbackOnly: boolean
	onDefect: (error: unknown) => void
}): Server {
	const { control, loopbackOnly, onDefect } = options
	return createServer((message, response) => {
		handle(control, loopbackOnly, message, response).catch((error: unknown) => {
			onDefect(error)
			if (response.headersSent) response.destroy()
			else send(response, 500, failure('InternalError', 'the emulator failed; see its log'))
		})
	})
}

async function handle(
	control: EmulatorControl,
	loopbackOnly: boolean,
	message: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const [path = '', search = ''] = (message.url ?? '/').split('?')
	if (loopbackOnly && !LOOPBACK.test(message.headers.host ?? ''))
		return send(response, 403, failure('Forbidden', 'not addressed to a loopback name'))
	if (path === '/healthz') return send(response, 200, { status: 'ok' })
	const operation = path.startsWith(`${CONTROL_PATH}/`) ? path.slice(CONTROL_PATH.length + 1) : ''
	if (!OPERATION_NAMES.includes(operation as keyof EmulatorControl)) {
		return send(response, 404, failure('NotFound', `there is no ${path}; operations: ${OPERATION_NAMES.join(', ')}`))
	}
	let input: unknown
	if (
		message.method === 'GET' &&
		(operation === 'requests' || operation === 'requestCounts' || operation === 'listVaults')
	) {
		const since = new URLSearchParams(search).get('since')
		input = since === null ? {} : { since: Number(since) }
	} else if (message.method === 'POST') {
		// A browser cannot send this type to another origin without asking first.
		if (!/^application\/json\b/i.test(message.headers['content-type'] ?? '')) {
			return send(response, 415, failure('UnsupportedMediaType', 'send application/json'))
		}
		const body = await readBody(message, MAX_BODY_BYTES)
		if (body === undefined) return send(response, 413, failure('TooLarge', `more than ${MAX_BODY_BYTES} bytes`))
		try {
			input = body.length === 0 ? {} : (JSON.parse(body.toString('utf8')) as unknown)
		} catch {
			return send(response, 400, failure('BadRequest', 'the body is not JSON'))
		}
	} else return send(response, 405, failure('MethodNotAllowed', 'use POST'))
	try {
		send(response, 200, (await invoke(control, operation as keyof EmulatorControl, input)) ?? {})
	} catch (error) {
		if (!(error instanceof ControlError)) throw error
		const status = error.code.endsWith('NotFound') ? 404 : 400
		send(response, status, failure(error.code, error.message))
	}
}

async function invoke(control: EmulatorControl, operation: keyof EmulatorControl, input: unknown): Promise<unknown> {
	checkArgument(operation, input)
	if (operation === 'removeFault') return control.removeFault((input as { id: string }).id)
	return (control[operation] as (argument: unknown) => Promise<unknown>)(input)
}

const failure = (code: string, message: string): object => ({ error: { code, message } })

function send(response: ServerResponse, status: number, body: unknown): void {
	const text = JSON.stringify(body)
	response.writeHead(status, {
		'Content-Type': 'application/json; charset=utf-8',
		'Content-Length': Buffer.byteLength(text),
	})
	response.end(text)
}
