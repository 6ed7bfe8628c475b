import type { IncomingHttpHeaders } from 'node:http'
import type { PipelineResponse } from '@azure/core-rest-pipeline'

type HttpHeaders = PipelineResponse['headers']

/**
 * The headers of an answer for the library's pipeline. Its own collection copies, trims and names anew each of a dozen headers, of which
 * two are read. Node has them by their names in lower case.
 */
export class AnswerHeaders implements HttpHeaders {
	readonly #values: Record<string, string>

	constructor(headers: IncomingHttpHeaders) {
		this.#values = isOneEach(headers) ? headers : firstOfEach(headers)
	}

	get(name: string): string | undefined {
		return this.has(name) ? this.#values[name.toLowerCase()] : undefined
	}

	has(name: string): boolean {
		return Object.hasOwn(this.#values, name.toLowerCase())
	}

	set(name: string, value: string | number | boolean): void {
		this.#values[name.toLowerCase()] = String(value)
	}

	delete(name: string): void {
		delete this.#values[name.toLowerCase()]
	}

	toJSON(): Record<string, string> {
		return { ...this.#values }
	}

	*[Symbol.iterator](): IterableIterator<[string, string]> {
		yield* Object.entries(this.#values)
	}
}

/** Cookies are all that node gives as a list. */
const isOneEach = (headers: IncomingHttpHeaders): headers is Record<string, string> =>
	headers['set-cookie'] === undefined

const firstOfEach = (headers: IncomingHttpHeaders): Record<string, string> =>
	Object.fromEntries(
		Object.entries(headers).map(([name, value = '']) => [name, Array.isArray(value) ? (value[0] ?? '') : value]),
	)
