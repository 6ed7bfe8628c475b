import type { Permission } from '../engine/permission.ts'

/** What an API server's answer, or its absence, means for the caller. */
export type KubeErrorKind =
	| 'notFound'
	| 'conflict'
	| 'alreadyExists'
	| 'forbidden'
	| 'unauthorized'
	| 'gone'
	| 'throttled'
	| 'invalid'
	| 'tooLarge'
	| 'unreachable'
	| 'timeout'
	| 'server'
	| 'other'

export interface KubeErrorDetails {
	/** HTTP status; absent when there was no answer */
	status?: number | undefined
	/** the API server's machine-readable reason, such as `AlreadyExists` */
	reason?: string | undefined
	/** how long the server asked to wait, in milliseconds */
	retryAfterMs?: number | undefined
	/** code of a network fault, such as `ECONNREFUSED` */
	code?: string | undefined
	/** what the authoriser did not allow; absent when something else refused: admission, quota */
	missing?: Permission | undefined
}

/**
 * The only error that the API server's adapters (cluster/) throw, except `signal.reason` of a caller who aborted. Its message is built from the
 * request line and the server's own sentence; headers, tokens, bodies and causes are never attached.
 */
export class KubeError extends Error {
	override readonly name = 'KubeError'
	readonly kind: KubeErrorKind
	readonly status: number | undefined
	readonly reason: string | undefined
	readonly retryAfterMs: number | undefined
	readonly code: string | undefined
	readonly missing: Permission | undefined

	constructor(kind: KubeErrorKind, message: string, details: KubeErrorDetails = {}) {
		super(message)
		this.kind = kind
		this.status = details.status
		this.reason = details.reason
		this.retryAfterMs = details.retryAfterMs
		this.code = details.code
		this.missing = details.missing
	}
}

/** True for a `KubeError` of one of these kinds. */
export function isKubeError(error: unknown, ...kinds: KubeErrorKind[]): error is KubeError {
	return error instanceof KubeError && (kinds.length === 0 || kinds.includes(error.kind))
}
