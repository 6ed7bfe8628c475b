import { type DestinationStream, type LogFn, type Logger, pino } from 'pino'
import { ownFrames } from './frames.ts'

export type { Logger } from 'pino'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LoggerOptions {
	level: LogLevel
	/** default: standard output */
	destination?: DestinationStream | undefined
	/** fields of every line */
	base?: Record<string, string> | undefined
}

// Names under which values and credentials travel through the code and the SDKs.
const SECRET_FIELDS: ReadonlySet<string> = new Set([
	'value',
	'values',
	'data',
	'stringData',
	'token',
	'accessToken',
	'access_token',
	'refresh_token',
	'assertion',
	'clientAssertion',
	'client_assertion',
	'clientSecret',
	'client_secret',
	'password',
	'authorization',
	'Authorization',
	'headers',
	'body',
	'bodyAsText',
	'parsedBody',
	'request',
	'response',
])
const CENSOR = '(redacted)'
const SERIALIZERS = { err: describeError, error: describeError, cause: describeError }
// Deeper objects do not belong into a log line.
const MAX_LEVELS = 3

/**
 * Structured logs, one JSON object a line. Redaction is the last line of defence: what is secret should not be passed at
 * all. Errors go under `err` (or `error`, `cause`) and are reduced by `describeError`.
 */
export function createLogger({ level, destination, base = {} }: LoggerOptions): Logger {
	const options = {
		level,
		base,
		// Names instead of pino's numbers, and times as people read them.
		// pino's own redaction goes by paths, each for itself and each level: for these names it took longer than all else of a line.
		formatters: {
			level: (label: string) => ({ level: label }),
			log: (fields: Record<string, unknown>) => redacted(fields, 1),
		},
		timestamp: () => `,"time":"${new Date().toISOString()}"`,
		// pino takes the text of a line from an error that is given without one, past the serializers.
		hooks: { logMethod: scrubText },
		serializers: SERIALIZERS,
	}
	return destination ? pino(options, destination) : pino(options)
}

/** The same fields, or a copy without what is secret by its name. Errors under the names of the serializers are left to these. */
function redacted<T extends object>(fields: T, level: number): T {
	let copy: Record<string, unknown> | undefined
	for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
		const next = redactedField(name, value, level)
		if (next === value) continue
		copy ??= (Array.isArray(fields) ? [...(fields as unknown[])] : { ...fields }) as Record<string, unknown>
		copy[name] = next
	}
	return (copy as T | undefined) ?? fields
}

function redactedField(name: string, value: unknown, level: number): unknown {
	if (value !== undefined && SECRET_FIELDS.has(name)) return CENSOR
	const isOpen = typeof value === 'object' && value !== null && level < MAX_LEVELS
	return isOpen && !(level === 1 && Object.hasOwn(SERIALIZERS, name)) ? redacted(value, level + 1) : value
}

function scrubText(this: Logger, args: Parameters<LogFn>, method: LogFn): void {
	const [first, ...rest] = args as readonly unknown[]
	const texts = rest.map((value) => (typeof value === 'string' ? scrub(value) : value))
	if (first instanceof Error)
		Reflect.apply(method, this, [{ err: first }, ...(rest.length > 0 ? texts : [scrub(first.message)])])
	else Reflect.apply(method, this, [typeof first === 'string' ? scrub(first) : first, ...texts])
}

export interface ErrorDescription {
	name: string
	message: string
	code?: string | number
	kind?: string
	status?: number
	reason?: string
	/** frames in our own code */
	stack?: string[]
	cause?: ErrorDescription
}

// Deep enough for SDK error → fetch failed → socket error, and an end for a chain that bites its own tail.
const MAX_CAUSES = 3
const MAX_FRAMES = 8
const MAX_TEXT = 2_000

/**
 * What may be printed of an error: never the object itself. Errors of the Azure and Kubernetes libraries carry the request,
 * its headers (with the token) and the response body as properties.
 */
export function describeError(error: unknown, depth = 0): ErrorDescription {
	if (!(error instanceof Error)) {
		// Something else was thrown: only its type is safe to print.
		return { name: typeof error, message: typeof error === 'string' ? scrub(error) : '(not an Error)' }
	}
	const fields = error as Error & {
		code?: unknown
		kind?: unknown
		status?: unknown
		statusCode?: unknown
		reason?: unknown
	}
	const status = fields.status ?? fields.statusCode
	const description: ErrorDescription = { name: error.name, message: scrub(error.message) }
	if (typeof fields.code === 'string') description.code = scrub(fields.code)
	if (typeof fields.code === 'number') description.code = fields.code
	if (typeof fields.kind === 'string') description.kind = scrub(fields.kind)
	if (typeof status === 'number') description.status = status
	if (typeof fields.reason === 'string') description.reason = scrub(fields.reason)
	const stack = depth === 0 ? ownFrames(error.stack).slice(0, MAX_FRAMES) : []
	if (stack.length > 0) description.stack = stack
	if (error.cause !== undefined && depth < MAX_CAUSES) description.cause = describeError(error.cause, depth + 1)
	return description
}

// A JSON Web Token, whole or cut. Entra and proxies have been seen to quote what they were given.
const JWT = /\beyJ[\w-]{5,}(\.[\w-]*){0,2}/g
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi

/** Text of others, made fit to print: no tokens, no endless length. */
export function scrub(text: string): string {
	const clean = text.replace(BEARER, '$1 (redacted)').replace(JWT, '(redacted token)')
	return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}…` : clean
}
