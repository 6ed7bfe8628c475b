/** What a pointer found in a text. */
export type Pointed = { kind: 'text'; text: string } | { kind: 'notJson' } | { kind: 'nothing' }

// Newer than TypeScript's library: a number as it is written, so that 12345678901234567890 and 1.0 come out as they went in.
interface SourceJson {
	parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown
	rawJSON(text: string): object
	isRawJSON(value: unknown): boolean
}
const json = JSON as unknown as SourceJson

const INDEX = /^(?:0|[1-9][0-9]*)$/

/**
 * Finds a value of a JSON text by an RFC 6901 pointer. A string is answered as it is, anything else as JSON text, without
 * white space.
 *
 * 1. The pointer's steps: `~1` is a slash, `~0` a tilde, in this order.
 * 2. Each step is an own name of an object or an index of a list; `-` (behind the end) finds nothing.
 */
export function pointInto(text: string, pointer: string): Pointed {
	let at: unknown
	try {
		at = json.parse(text, (_, value, { source }) =>
			typeof value === 'number' && source !== undefined ? json.rawJSON(source) : value,
		)
	} catch {
		// The parser's message quotes the text.
		return { kind: 'notJson' }
	}
	const steps = pointer
		.split('/')
		.slice(1)
		.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
	for (const step of steps) {
		if (typeof at !== 'object' || at === null || json.isRawJSON(at)) return { kind: 'nothing' }
		if (Array.isArray(at) && !INDEX.test(step)) return { kind: 'nothing' }
		if (!Object.hasOwn(at, step)) return { kind: 'nothing' }
		at = (at as Record<string, unknown>)[step]
	}
	return { kind: 'text', text: typeof at === 'string' ? at : JSON.stringify(at) }
}
