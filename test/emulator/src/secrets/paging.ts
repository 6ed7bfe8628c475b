import { badParameter } from '../http/service-error.ts'

/** `maxresults` is 1 to 25, 25 when absent. */
const MAX_RESULTS = 25

export function parseMaxResults(query: ReadonlyMap<string, string>): number {
	const text = query.get('maxresults')
	if (text === undefined) return MAX_RESULTS
	const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
	if (count < 1 || count > MAX_RESULTS) throw badParameter(`maxresults must be between 1 and ${MAX_RESULTS}.`)
	return count
}

/** Where a list goes on: after a key (absent: from its start, behind an empty first page), so many pages in. */
export interface Continuation {
	readonly after: string | undefined
	readonly index: number
}

/** Opaque to clients: base64 JSON around a marker, as the service's storage continuation looks. */
const encodeSkipToken = ({ after, index }: Continuation): string =>
	Buffer.from(
		JSON.stringify({ NextMarker: Buffer.from(`${index}:${after ?? ''}`).toString('base64'), TargetLocation: 0 }),
	).toString('base64')

export function parseSkipToken(query: ReadonlyMap<string, string>): Continuation {
	const token = query.get('$skiptoken')
	if (token === undefined) return { after: undefined, index: 0 }
	try {
		const { NextMarker } = JSON.parse(Buffer.from(token, 'base64').toString()) as { NextMarker: unknown }
		const marker = typeof NextMarker === 'string' ? Buffer.from(NextMarker, 'base64').toString() : ''
		// Nine digits: more pages than any list has.
		const [, index, after] = /^(\d{1,9}):([\s\S]*)$/.exec(marker) ?? []
		if (index !== undefined) return { after: after || undefined, index: Number(index) }
	} catch {
		// Falls through to the one answer for every token that is not ours.
	}
	throw badParameter('The continuation token is invalid.')
}

/**
 * Absolute, with the port always written; `$` is not escaped, as in the service's own links. `maxresults` is in it
 * only when it was asked for.
 */
export function nextLink(
	page: { origin: string; path: string; apiVersion: string; maxResults: string | undefined },
	next: Continuation,
): string {
	const { origin, path, apiVersion, maxResults } = page
	const asked = maxResults === undefined ? '' : `&maxresults=${maxResults}`
	return `${origin}${path}?api-version=${apiVersion}&$skiptoken=${encodeURIComponent(encodeSkipToken(next))}${asked}`
}
