import type { Incoming, Reply } from '../http/message.ts'
import { ServiceError } from '../http/service-error.ts'
import type { EmulatorState, HostedVault } from '../state.ts'
import { EntraError } from '../tokens/entra-error.ts'
import { entraReply } from '../tokens/handler.ts'
import type { Fault } from './rules.ts'

export const THROTTLED_TEXT =
	'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached'

/** What a vault says at a status, when the fault names no code. */
const VAULT_ERRORS: Readonly<Record<number, readonly [code: string, message: string]>> = {
	401: ['Unauthorized', 'AKV10046: Unable to resolve the key used for signature validation.'],
	403: ['Forbidden', 'Access is denied.'],
	404: ['SecretNotFound', 'The secret was not found in this key vault.'],
	429: ['Throttled', THROTTLED_TEXT],
	500: ['InternalServerError', 'There was an error processing the request.'],
	503: ['ServiceUnavailable', 'The service is temporarily unavailable.'],
}

/** The answer of a fault that answers; `body` when it is not JSON. */
export function faultReply(
	state: EmulatorState,
	request: Incoming,
	hosted: HostedVault | undefined,
	fault: Fault,
): { reply: Reply; body?: string } {
	if (fault.action === 'html') {
		const reply = { status: fault.status ?? 403, headers: { 'Content-Type': 'text/html; charset=utf-8' } }
		return {
			reply,
			body: '<!DOCTYPE html><html><head><title>Blocked</title></head><body>Blocked by the gateway.</body></html>',
		}
	}
	if (fault.action === 'unauthorized' || (fault.action === 'challenge' && hosted))
		return { reply: unauthorizedReply(fault) }
	const retryAfter: Record<string, string> =
		fault.retryAfter === undefined ? {} : { 'Retry-After': String(fault.retryAfter) }
	const status = fault.status ?? 503
	if (hosted) {
		const [code, message] = VAULT_ERRORS[status] ?? [
			'InternalServerError',
			'There was an error processing the request.',
		]
		const inner = fault.innerCode === undefined ? {} : { inner: fault.innerCode }
		return {
			reply: new ServiceError(status, fault.code ?? code, fault.message ?? message, {
				...inner,
				headers: retryAfter,
			}).toReply(),
		}
	}
	return { reply: entraReply(state, request, entraFault(status, fault, retryAfter)) }
}

function unauthorizedReply(fault: Fault): Reply {
	const [code, message] = VAULT_ERRORS[401] as readonly [string, string]
	return new ServiceError(401, fault.code ?? code, fault.message ?? message).toReply()
}

function entraFault(status: number, fault: Fault, headers: Record<string, string>): EntraError {
	const number = Number(fault.code ?? (status === 429 ? 50196 : 90033))
	const error =
		status >= 500 || status === 429 ? 'temporarily_unavailable' : status === 401 ? 'invalid_client' : 'invalid_request'
	const text = status === 429 ? 'Too Many Requests' : 'A transient error has occurred. Please try again.'
	return new EntraError(status, error, Number.isInteger(number) ? number : 90033, fault.message ?? text, headers)
}
