import type { IncomingHttpHeaders } from 'node:http'

/** One request, with everything about the connection already resolved. */
export interface Incoming {
	readonly method: string
	/** Path as sent, without the query. */
	readonly path: string
	/** Keys and values decoded: the JS SDK sends `api%2Dversion`. */
	readonly query: ReadonlyMap<string, string>
	readonly headers: IncomingHttpHeaders
	readonly body: Buffer
	/** Host name in lower case, without the port. */
	readonly host: string
	/** Port of the Host header; 443 when it has none. */
	readonly port: number
	readonly remoteAddress: string
}

export interface Reply {
	readonly status: number
	readonly headers?: Readonly<Record<string, string>>
	/** Sent as JSON; absent: an empty body. */
	readonly json?: unknown
}

/** `https://host` with the port as the client used it; 443 is left out. */
export const originOf = (request: Incoming): string =>
	`https://${request.host}${request.port === 443 ? '' : `:${request.port}`}`

/** Same, with the port always written, as the service does in `nextLink`. */
export const originWithPort = (request: Incoming): string => `https://${request.host}:${request.port}`

/** Query of a URL with decoded keys; the first value of a key counts; bad escapes stay as they are. */
export function parseQuery(text: string): Map<string, string> {
	const query = new Map<string, string>()
	for (const [key, value] of new URLSearchParams(text)) if (!query.has(key)) query.set(key, value)
	return query
}

/** Splits `host[:port]`; undefined for a header that is neither. */
export function parseHost(header: string | undefined): { host: string; port: number } | undefined {
	const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/i.exec(header ?? '')
	if (!match?.[1]) return undefined
	const port = match[2] === undefined ? 443 : Number(match[2])
	return port > 0 && port < 65536 ? { host: match[1].toLowerCase().replace(/\.$/, ''), port } : undefined
}
