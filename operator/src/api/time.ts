/** RFC 3339 UTC in whole seconds, from milliseconds since the epoch. */
export function formatTime(ms: number): string {
	const text = new Date(ms).toISOString()
	// Not by a pattern: a pass over 500 secrets writes thousands of times. The last five characters are `.000Z`.
	return `${text.slice(0, -5)}Z`
}

/** Milliseconds since the epoch of an RFC 3339 time; undefined for anything else. */
export function parseTime(text: string | undefined): number | undefined {
	const ms = text === undefined ? Number.NaN : Date.parse(text)
	return Number.isFinite(ms) ? ms : undefined
}
