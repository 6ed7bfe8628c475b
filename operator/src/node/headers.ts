/**
 * What the library for gRPC wants of the `Headers` of fetch. Node loads all of its fetch, a second client for HTTP, for that name: 8 MB
 * resident on every node, in a process that fetches nothing.
 *
 * Names compare without regard to case, and values of one name are one text with commas between them. Neither is judged here: what comes in
 * and what goes out passes the server for HTTP/2, which does.
 */
export class PlainHeaders implements Iterable<[string, string]> {
	readonly #values = new Map<string, string>()

	constructor(from: Iterable<readonly [string, string]> | Readonly<Record<string, string>> = {}) {
		for (const [name, value] of Symbol.iterator in from ? from : Object.entries(from)) this.append(name, value)
	}

	append(name: string, value: string): void {
		const before = this.get(name)
		this.set(name, before === null ? value : `${before}, ${value}`)
	}

	set(name: string, value: string): void {
		this.#values.set(name.toLowerCase(), value)
	}

	get(name: string): string | null {
		return this.#values.get(name.toLowerCase()) ?? null
	}

	has(name: string): boolean {
		return this.#values.has(name.toLowerCase())
	}

	delete(name: string): void {
		this.#values.delete(name.toLowerCase())
	}

	forEach(tell: (value: string, name: string) => void): void {
		for (const [name, value] of this.#values) tell(value, name)
	}

	entries(): MapIterator<[string, string]> {
		return this.#values.entries()
	}

	keys(): MapIterator<string> {
		return this.#values.keys()
	}

	values(): MapIterator<string> {
		return this.#values.values()
	}

	[Symbol.iterator](): MapIterator<[string, string]> {
		return this.entries()
	}
}

/**
 * In place of node's, for the whole process: the library names the global one. By an assignment, because to define the property would load
 * what it replaces.
 */
export function usePlainHeaders(): void {
	Object.assign(globalThis, { Headers: PlainHeaders })
}
