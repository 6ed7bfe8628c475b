import type { StoreErrorReason } from '../errors.ts'

const field = (value: unknown, key: string): unknown =>
	typeof value === 'object' && value !== null && key in value ? (value as Record<string, unknown>)[key] : undefined

// The SDK has the outer code in `code`, and the telling one in the body it parsed, whose field it renames from the wire's `innererror`.
function codesOf(error: unknown): string[] {
	const inner = field(field(field(error, 'details'), 'error'), 'innerError')
	return [field(inner, 'code'), field(error, 'code')].filter((code) => typeof code === 'string')
}

const BY_CODE: Readonly<Record<string, StoreErrorReason>> = {
	ObjectIsDeletedButRecoverable: 'Deleted',
	ObjectIsBeingDeleted: 'Conflict',
	ObjectIsBeingRecovered: 'Conflict',
	SecretDisabled: 'Disabled',
	ForbiddenByFirewall: 'Network',
	ForbiddenByConnection: 'Network',
}

/** What a failure of the Azure SDK means for us. Only codes and status are looked at, never texts. */
export function reasonOfFault(error: unknown): StoreErrorReason {
	for (const code of codesOf(error)) {
		if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code] ?? 'Refused'
	}
	const name = field(error, 'name')
	// Of @azure/identity: no credential is configured, or Entra refused; neither is healed by asking the vault again.
	if (
		name === 'AuthenticationError' ||
		name === 'CredentialUnavailableError' ||
		name === 'AggregateAuthenticationError'
	) {
		const status = field(error, 'statusCode')
		return typeof status === 'number' && (status === 429 || status >= 500) ? 'Unavailable' : 'Denied'
	}
	const status = field(error, 'statusCode')
	// No answer (DNS, TLS, reset, timeout, abort), or a success whose body broke off or was no JSON.
	if (typeof status !== 'number' || status < 400) return 'Unavailable'
	if (status === 404) return 'NotFound'
	if (status === 401 || status === 403) return 'Denied'
	if (status === 409) return 'Conflict'
	if (status === 429) return 'Throttled'
	if (status === 408 || status >= 500) return 'Unavailable'
	return 'Refused'
}

/** What may be logged of a failure: codes and status, because texts of the vault name principals and texts of the SDK may quote input. */
export function describeFault(error: unknown): { status?: number; code?: string; error: string } {
	const status = field(error, 'statusCode')
	const code = codesOf(error)[0]
	const name = field(error, 'name')
	return {
		...(typeof status === 'number' ? { status } : {}),
		...(code === undefined ? {} : { code }),
		error: typeof name === 'string' ? name : typeof error,
	}
}
