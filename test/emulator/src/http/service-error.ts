import type { Reply } from './message.ts'

/** An answer of the vault that is not the asked one; `message` is the service's own text. */
export class ServiceError extends Error {
	readonly status: number
	readonly code: string
	readonly inner: string | undefined
	readonly headers: Readonly<Record<string, string>>

	constructor(
		status: number,
		code: string,
		message: string,
		options: { inner?: string; headers?: Record<string, string> } = {},
	) {
		super(message)
		this.name = 'ServiceError'
		this.status = status
		this.code = code
		this.inner = options.inner
		this.headers = options.headers ?? {}
	}

	/** The same error with more headers. */
	withHeaders(headers: Readonly<Record<string, string>>): ServiceError {
		const { status, code, message, inner } = this
		return new ServiceError(status, code, message, {
			...(inner === undefined ? {} : { inner }),
			headers: { ...this.headers, ...headers },
		})
	}

	/** `{"error":{"code","message","innererror":{"code"}}}`, in this key order. */
	toReply(): Reply {
		const error = {
			code: this.code,
			message: this.message,
			...(this.inner ? { innererror: { code: this.inner } } : {}),
		}
		return { status: this.status, headers: this.headers, json: { error } }
	}
}

export const badParameter = (message: string): ServiceError => new ServiceError(400, 'BadParameter', message)

/**
 * The service has it and the emulator has not. Not a 404: clients would take that for an object that does not exist.
 */
export const notEmulated = (what: string): ServiceError =>
	new ServiceError(501, 'NotImplemented', `azure-key-vault-emulator does not emulate ${what}.`)
