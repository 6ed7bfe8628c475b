import type { Permission } from '../engine/permission.ts'
import { KubeError, type KubeErrorKind } from '../ports/kube-error.ts'

/** `code` of an answer that is longer than what is read. */
export const TOO_LONG = 'TOO_LONG'

/** The part of `metav1.Status` that we read. */
interface Status {
	message?: unknown
	reason?: unknown
	code?: unknown
	details?: { retryAfterSeconds?: unknown } | undefined
}

export interface StatusAnswer {
	/** request line for the message: verb and path without its query */
	request: string
	status: number
	/** value of the `Retry-After` header */
	retryAfter?: string | undefined
	/** the body, parsed if it was JSON */
	body: unknown
	/** the request carried secret values: texts that may quote it are cut */
	sensitive: boolean
	/** what it takes to be allowed; for a resource of a namespace */
	permission?: Permission | undefined
}

// How the API server says no for any authoriser (responsewriters.Forbidden); admission and quota use other words.
const NOT_ALLOWED = /\bUser "[^"]*" cannot [a-z]+ resource "/

// Long enough for any sentence of the API server or of an admission policy, short enough for a condition message.
const MAX_MESSAGE = 1024
// A server that asks for more than this is overridden: five minutes is the longest that anything of ours waits.
const MAX_RETRY_AFTER_MS = 300_000

/** An HTTP answer of 400 and above (or a `Status` object inside a watch) as an error. */
export function errorFromStatus(answered: StatusAnswer): KubeError {
	const { request, status, retryAfter, body, sensitive } = answered
	const answer: Status = isRecord(body) && body['kind'] === 'Status' ? body : {}
	const reason = typeof answer.reason === 'string' ? answer.reason : undefined
	const text = typeof answer.message === 'string' ? quoteSafely(answer.message, status, sensitive) : `HTTP ${status}`
	const seconds = Number(answer.details?.retryAfterSeconds ?? retryAfter)
	const retryAfterMs = seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : undefined
	const missing = status === 403 && NOT_ALLOWED.test(text) ? answered.permission : undefined
	return new KubeError(kindOf(status, reason), `${request}: ${text}`, { status, reason, retryAfterMs, missing })
}

/** A fault below HTTP: refused, reset, TLS, name resolution, a body that broke off. */
export function errorFromNetwork(request: string, error: unknown): KubeError {
	const code = codeOf(error)
	return new KubeError('unreachable', `${request}: API server unreachable${code ? ` (${code})` : ''}`, { code })
}

function kindOf(status: number, reason: string | undefined): KubeErrorKind {
	switch (status) {
		case 400:
		case 422:
			return 'invalid'
		case 401:
			return 'unauthorized'
		case 403:
			return 'forbidden'
		case 404:
			return 'notFound'
		case 408:
		case 504:
			return 'timeout'
		case 409:
			return reason === 'AlreadyExists' ? 'alreadyExists' : 'conflict'
		case 410:
			return 'gone'
		case 413:
			return 'tooLarge'
		case 429:
			return 'throttled'
		default:
			return status >= 500 ? 'server' : 'other'
	}
}

/**
 * Validation errors quote what they refuse ("Invalid value: …"), and decoding errors quote bytes around the fault. For
 * requests that carry secret values the first are cut and the second dropped.
 */
function quoteSafely(message: string, status: number, sensitive: boolean): string {
	if (sensitive && status === 400) return 'the API server could not read the request (its text is withheld)'
	const text = sensitive
		? message.replace(/\b(Invalid|Unsupported|Duplicate) value: ("(?:[^"\\]|\\.)*"|\S+)/g, '$1 value (withheld)')
		: message
	return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text
}

// Node's codes are constants such as ECONNREFUSED; anything else does not belong into a message.
function codeOf(error: unknown): string | undefined {
	for (let depth = 0, at = error; depth < 4 && isRecord(at); depth++, at = at['cause']) {
		const code = at['code']
		if (typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code)) return code
	}
	return undefined
}

export function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null
}
