import type { Reply } from '../http/message.ts'

/** An answer of the token endpoint that is not a token. `code` is the AADSTS number. */
export class EntraError extends Error {
	readonly status: number
	readonly error: string
	readonly code: number
	readonly headers: Readonly<Record<string, string>>

	constructor(status: number, error: string, code: number, message: string, headers: Record<string, string> = {}) {
		super(message)
		this.name = 'EntraError'
		this.status = status
		this.error = error
		this.code = code
		this.headers = headers
	}

	/** `error, error_description, error_codes, timestamp, trace_id, correlation_id, error_uri`, in this order. */
	toReply(options: { now: number; traceId: string; correlationId: string; loginOrigin: string }): Reply {
		const timestamp = `${new Date(options.now).toISOString().slice(0, 19).replace('T', ' ')}Z`
		const { traceId, correlationId } = options
		return {
			status: this.status,
			headers: this.headers,
			json: {
				error: this.error,
				error_description: `AADSTS${this.code}: ${this.message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
				error_codes: [this.code],
				timestamp,
				trace_id: traceId,
				correlation_id: correlationId,
				error_uri: `${options.loginOrigin}/error?code=${this.code}`,
			},
		}
	}
}
