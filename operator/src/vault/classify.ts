import type { VaultFault } from '../engine/fault.ts'
import { VaultError } from '../ports/vault.ts'

// 403 has at least six causes that ask for different reactions; the inner code tells them apart (FACTS.md#refusals).
const INNER_CODES: Record<string, VaultFault> = {
	ForbiddenByRbac: { kind: 'forbiddenRbac' },
	AccessDenied: { kind: 'accessDenied' },
	ForbiddenByPolicy: { kind: 'forbiddenPolicy' },
	ForbiddenByFirewall: { kind: 'firewall' },
	ForbiddenByConnection: { kind: 'connection' },
	SecretDisabled: { kind: 'disabled' },
}

/** The last answer within a call, as far as faults need it. */
export interface Answer {
	status: number
	/** text of the body; only of answers of 400 and above */
	body: string | undefined
	retryAfter: string | undefined
}

/**
 * Reduces whatever the Key Vault client threw. Its errors hold request headers and bodies, so they end here; and those of
 * lists hold no body at all, so what was answered is taken from the pipeline instead.
 */
export function vaultFaultOf(error: unknown, answer: Answer | undefined): VaultFault {
	if (error instanceof VaultError) return error.fault
	// The client's own timeout arrives as an abort; the caller's was looked at before.
	if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError'))
		return { kind: 'timeout' }
	if (answer && answer.status >= 400) return httpFault(answer)
	// By name, as the library's own `isRestError` does: importing the class would load all of the library.
	if (!answer && error instanceof Error && error.name === 'RestError') return { kind: 'unreachable' }
	// A good status with a body that is no JSON or breaks off, a redirect, a challenge that names another host.
	return { kind: 'garbage' }
}

function httpFault(answer: Answer): VaultFault {
	const { status } = answer
	const { code, inner } = codesOf(answer)
	switch (status) {
		case 401:
			return { kind: 'unauthorized' }
		case 403:
			// Without Key Vault's own shape it is somebody else's refusal: a proxy, or a page of a firewall.
			if (code === undefined) return { kind: 'garbage' }
			return INNER_CODES[inner ?? ''] ?? { kind: 'forbidden' }
		case 404:
			// Only the service itself can say that a secret is absent. A proxy's 404 must never remove anything.
			return code === 'SecretNotFound' ? { kind: 'absent' } : { kind: 'garbage' }
		case 408:
			return { kind: 'timeout' }
		case 429:
			return { kind: 'throttled', ...waitOf(answer) }
		default:
			return status >= 500 ? { kind: 'server', ...waitOf(answer) } : { kind: 'garbage' }
	}
}

/** `error.code` and `error.innererror.code` of Key Vault's error shape. */
function codesOf({ body }: Answer): { code: string | undefined; inner: string | undefined } {
	let parsed: unknown
	try {
		parsed = JSON.parse(body ?? '')
	} catch {
		// Not Key Vault's: no codes.
	}
	const outer = field(parsed, 'error')
	return { code: text(field(outer, 'code')), inner: text(field(field(outer, 'innererror'), 'code')) }
}

const field = (value: unknown, key: string): unknown =>
	typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
const text = (value: unknown) => (typeof value === 'string' ? value : undefined)

// Nothing of ours waits longer than five minutes, whatever the other side asks for.
const MAX_RETRY_AFTER_MS = 300_000

/** How long the other side wants to be left alone; undefined when it did not say. */
export function retryAfterMs({ retryAfter }: Answer): number | undefined {
	const seconds = Number(retryAfter)
	return seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : undefined
}

function waitOf(answer: Answer): { retryAfterMs?: number } {
	const wait = retryAfterMs(answer)
	return wait === undefined ? {} : { retryAfterMs: wait }
}

// Codes of Entra by what the user has to look at (FACTS.md#entra-codes). Others are told with their number.
const FEDERATION = new Set(['70021', '700211', '700212', '700213', '7002138', '70025'])
const IDENTITY = new Set(['700016', '90002'])
const UNAVAILABLE = new Set(['90033', '50196'])

/**
 * Reduces what `@azure/identity` threw. Only the number after AADSTS is taken out of its text: `errorNo` is missing on
 * answers that MSAL gives out of its own throttle cache. With a status of 500 or above, or 429, Entra says of itself that it is
 * not well, whatever the number.
 */
export function tokenFaultOf(error: unknown): VaultFault {
	if (error instanceof VaultError) return error.fault
	const { message, cause } = error instanceof Error ? error : { message: '', cause: undefined }
	const code = /AADSTS(\d{5,8})/.exec(message)?.[1]
	const status = Number(field(cause, 'status'))
	if (code === undefined || UNAVAILABLE.has(code) || status >= 500 || status === 429)
		return { kind: 'entraUnavailable' }
	if (FEDERATION.has(code)) return { kind: 'federation', code }
	if (IDENTITY.has(code)) return { kind: 'identityNotFound', code }
	return { kind: 'federationRefused', code }
}
