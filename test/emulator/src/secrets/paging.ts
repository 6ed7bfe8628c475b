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

/** Opaque to clients: base64 JSON around a marker, as the service's storage continuation looks. */
const encodeSkipToken = (after: string): string =>
	Buffer.from(JSON.stringify({ NextMarker: Buffer.from(after).toString('base64'), TargetLocation: 0 })).toString(
		'base64',
	)

export function parseSkipToken(query: ReadonlyMap<string, string>): string | undefined {
	const token = query.get('$skiptoken')
	if (token === undefined) return undefined
	try {
		const { NextMarker } = JSON.parse(Buffer.from(token, 'base64').toString()) as { NextMarker: unknown }
		if (typeof NextMarker === 'string' && NextMarker !== '') return Buffer.from(NextMarker, 'base64').toString()
	} catch {
		// Falls through to the one answer for every token that is not ours.
	}
	throw badParameter('The continuation token is invalid.')
}

/** Absolute, with the port always written; `$` is not escaped, as in the service's own links. */
export const nextLink = (origin: string, path: string, apiVersion: string, after: string, maxResults: number): string =>
	`${origin}${path}?api-version=${apiVersion}&$skiptoken=${encodeURIComponent(encodeSkipToken(after))}&maxresults=${maxResults}`
