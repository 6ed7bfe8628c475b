/** RFC 3339 UTC in whole seconds, from milliseconds since the epoch. */
export function formatTime(ms: number): string {
	return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z')
}

/** Milliseconds since the epoch of an RFC 3339 time; undefined for anything else. */
export function parseTime(text: string | undefined): number | undefined {
	const ms = text === undefined ? Number.NaN : Date.parse(text)
	return Number.isFinite(ms) ? ms : undefined
}
