import { badParameter } from '../http/service-error.ts'

/** Stable and preview versions that have the secret routes; the query parameter is mandatory. */
const KNOWN: ReadonlySet<string> = new Set([
	'2016-10-01',
	...['7.0', '7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01', '2026-04-01'],
	...[
		'7.0-preview',
		'7.1-preview',
		'7.2-preview',
		'7.3-preview',
		'7.4-preview.1',
		'7.5-preview.1',
		'7.6-preview.1',
		'7.6-preview.2',
	],
	...['2025-06-01-preview', '2026-01-01-preview', '2026-03-01-preview', '2026-05-01-preview', '2026-07-01-preview'],
])

export function checkApiVersion(query: ReadonlyMap<string, string>): string {
	const version = query.get('api-version')
	if (version === undefined || version === '') throw badParameter('api-version must be specified.')
	if (KNOWN.has(version)) return version
	const shown = version.slice(0, 64).replace(/[^\x20-\x7e]/g, '?')
	throw badParameter(
		`The specified version (${shown}) is not recognized. Consider using the latest supported version (7.6).`,
	)
}

/** `outContentType` and `previousVersion` came with 2025-06-01-preview. */
export const hasOutContentType = (version: string): boolean => version >= '2025-06-01' && version.length >= 10
