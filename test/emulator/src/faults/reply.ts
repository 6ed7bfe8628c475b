import {
	accessDenied,
	type CallerText,
	forbiddenByConnection,
	forbiddenByFirewall,
	forbiddenByPolicy,
} from '../access/denials.ts'
import type { Incoming, Reply } from '../http/message.ts'
import { ServiceError } from '../http/service-error.ts'
import { claimsChallengeHeader } from '../secrets/challenge.ts'
import { secretDisabled } from '../secrets/errors.ts'
import type { EmulatorState, HostedVault } from '../state.ts'
import { ClaimsChallenge } from '../tokens/access-tokens.ts'
import { entraError, isEntraCode } from '../tokens/codes.ts'
import { EntraError } from '../tokens/entra-error.ts'
import { entraReply } from '../tokens/handler.ts'
import type { Fault } from './rules.ts'

export const throttledText = (reason: string): string =>
	`Request was not processed because too many requests were received. Reason: ${reason}`

/** What a vault says at a status, when the fault names no code. */
const VAULT_ERRORS: Readonly<Record<number, readonly [code: string, message: string]>> = {
	401: [
		'Unauthorized',
		'AKV10046: Unable to resolve the key used for signature validation. EncodedJwtHeader: (transient)',
	],
	403: ['Forbidden', 'Access is denied.'],
	404: ['SecretNotFound', 'The secret was not found in this key vault.'],
	429: ['Throttled', throttledText('VaultRequestTypeLimitReached')],
	503: ['ServiceUnavailable', 'The service is temporarily unavailable.'],
}
const OTHER_ERROR = ['InternalServerError', 'There was an error processing the request.'] as const

const HTML = '<!DOCTYPE html><html><head><title>Blocked</title></head><body>Blocked by the gateway.</body></html>'

export interface FaultContext {
	readonly state: EmulatorState
	readonly request: Incoming
	/** The vault that was asked; absent at the login host. */
	readonly hosted: HostedVault | undefined
	readonly clientId: string | undefined
}

/** The answer of a fault that answers; `body` when it is not JSON. */
export function faultReply(context: FaultContext, fault: Fault): { reply: Reply; body?: string } {
	if (fault.action === 'html') {
		return {
			reply: { status: fault.status ?? 403, headers: { 'Content-Type': 'text/html; charset=utf-8' } },
			body: HTML,
		}
	}
	const retryAfter: Record<string, string> =
		fault.retryAfter === undefined ? {} : { 'Retry-After': String(fault.retryAfter) }
	const { state, request, hosted } = context
	if (!hosted) return { reply: entraReply(state, request, entraFault(fault, retryAfter)) }
	if (fault.action === 'challenge') {
		const challenge = new ClaimsChallenge(state.clock.seconds())
		return {
			reply: {
				...challenge.toReply(),
				headers: { 'WWW-Authenticate': claimsChallengeHeader(state, request, challenge) },
			},
		}
	}
	return { reply: vaultFault(context, hosted, fault, retryAfter).toReply() }
}

function vaultFault(
	context: FaultContext,
	hosted: HostedVault,
	fault: Fault,
	headers: Record<string, string>,
): ServiceError {
	const status = fault.action === 'unauthorized' ? 401 : (fault.status ?? 503)
	const known = fault.innerCode === undefined ? undefined : knownDenial(context, hosted, fault.innerCode)
	const [code, message] = known ? [known.code, known.message] : (VAULT_ERRORS[status] ?? OTHER_ERROR)
	const inner = fault.innerCode === undefined ? {} : { inner: fault.innerCode }
	return new ServiceError(status, fault.code ?? code, fault.message ?? message, { ...inner, headers })
}

/** The service's own text of a 403 that a fault names by its inner code. */
function knownDenial(
	{ state, request, clientId }: FaultContext,
	hosted: HostedVault,
	innerCode: string,
): ServiceError | undefined {
	const client = clientId === undefined ? undefined : state.directory.client(clientId)
	const caller: CallerText = {
		clientId: clientId ?? '',
		objectId: client?.objectId ?? '',
		issuer: state.settings.names.issuer(hosted.tenantId),
	}
	const vault = hosted.vault.name
	const { region } = state.settings
	switch (innerCode) {
		case 'AccessDenied':
			return accessDenied({ caller, permission: 'get', vault, region })
		case 'ForbiddenByConnection':
			return forbiddenByConnection({ caller, vault, region })
		case 'ForbiddenByFirewall':
			return forbiddenByFirewall({ caller, address: request.remoteAddress, vault, region })
		case 'ForbiddenByPolicy':
			return forbiddenByPolicy({ caller })
		case 'SecretDisabled':
			return secretDisabled()
		default:
			return undefined
	}
}

/** Code and text by the table; the fault may set another status. */
function entraFault(fault: Fault, headers: Record<string, string>): EntraError {
	const asked = Number(fault.code?.replace(/^AADSTS/, '') ?? (fault.status === 429 ? 50196 : 90033))
	const code = isEntraCode(asked) ? asked : 90033
	const known = entraError(code)
	const text = fault.status === 429 && fault.code === undefined ? 'Too Many Requests' : known.message
	return new EntraError(fault.status ?? known.status, known.error, code, fault.message ?? text, headers)
}
