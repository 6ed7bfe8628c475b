import { VERSION_ID } from './constants.ts'
import { parseTime } from './time.ts'

/** The annotation `hold`, read. */
export type AnnotatedPins =
	| { kind: 'none' }
	/** `until`: milliseconds since the epoch; `versions` by file name */
	| { kind: 'until'; until: number; versions: ReadonlyMap<string, string> }
	/** `problem` says what to write instead and quotes nothing */
	| { kind: 'invalid'; problem: string }

const FORM =
	'write "<name>=<version>; until=<time>", such as "db=0123456789abcdef0123456789abcdef; until=2026-01-31T12:00:00Z"'

/**
 * Reads `<name>=<version>; until=<time>`; several names stand one after the other. It must end: a pin that stays belongs into
 * the spec.
 */
export function parseAnnotatedPins(text: string | undefined): AnnotatedPins {
	if (text === undefined || text.trim() === '') return { kind: 'none' }
	const invalid = (problem: string): AnnotatedPins => ({ kind: 'invalid', problem: `${problem}: ${FORM}` })
	const versions = new Map<string, string>()
	let until: number | undefined
	for (const part of text.split(';')) {
		if (part.trim() === '') continue
		const [name, value, ...rest] = part.split('=').map((word) => word.trim())
		if (!name || !value || rest.length > 0) return invalid('a part of it is not <name>=<version>')
		// A secret may be called "until"; its version cannot be taken for a time.
		if (name === 'until' && !VERSION_ID.test(value)) {
			until = /^\d{4}-\d{2}-\d{2}T/.test(value) ? parseTime(value) : undefined
			if (until === undefined) return invalid('the time after until= is not an RFC 3339 time')
		} else if (!VERSION_ID.test(value)) return invalid('a version is not 32 hexadecimal digits')
		else versions.set(name, value)
	}
	if (until === undefined) return invalid('it has no end')
	if (versions.size === 0) return invalid('it names no secret')
	return { kind: 'until', until, versions }
}
