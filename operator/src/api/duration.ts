/** A time such as `1h30m`; at least one of the three is there when it is not empty. */
export const DURATION = /^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$/

const UNITS = { h: 3_600_000, m: 60_000, s: 1_000 } as const

/** `1h30m` in milliseconds. The schema has checked the form. */
export function parseDuration(text: string): number {
	let ms = 0
	for (const [, amount, unit] of text.matchAll(/([0-9]+)([hms])/g))
		ms += Number(amount) * UNITS[unit as 'h' | 'm' | 's']
	return ms
}
