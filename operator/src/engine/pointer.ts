export type ParsedJson = { kind: 'json'; value: unknown } | { kind: 'notJson' } | { kind: 'tooDeep' }

// Newer than TypeScript's library: a number as it is written, so that 12345678901234567890 and 1.0 come out as they went in.
interface SourceJson {
	parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown
	rawJSON(text: string): object
	isRawJSON(value: unknown): boolean
}
const json = JSON as unknown as SourceJson

// What serde_json takes; .NET takes 64. V8's parser recurses where each number is looked at, and 25 KB hold 25,000 brackets.
const MAX_DEPTH = 128

/** Reads a JSON text; numbers stay as they are written. */
export function parseJson(text: string): ParsedJson {
	// Editors on Windows begin a file with a byte order mark, which is no part of the JSON.
	if (text.startsWith('\uFEFF')) return parseJson(text.slice(1))
	if (isTooDeep(text)) return { kind: 'tooDeep' }
	try {
		const value = json.parse(text, (_, each, { source }) =>
			typeof each === 'number' && source !== undefined ? json.rawJSON(source) : each,
		)
		return { kind: 'json', value }
	} catch {
		// The parser's message quotes the text.
		return { kind: 'notJson' }
	}
}

/** Counts brackets outside of strings, which is right for JSON; what is no JSON is found out by the parser. */
function isTooDeep(text: string): boolean {
	let depth = 0
	let isString = false
	for (let i = 0; i < text.length; i++) {
		const char = text[i]
		if (isString) {
			if (char === '\\') i++
			else if (char === '"') isString = false
		} else if (char === '"') isString = true
		else if (char === '{' || char === '[') {
			if (++depth > MAX_DEPTH) return true
		} else if (char === '}' || char === ']') depth--
	}
	return false
}

const INDEX = /^(?:0|[1-9][0-9]*)$/

/**
 * Finds a value of JSON by an RFC 6901 pointer. A string is answered as it is, anything else as JSON text, without white
 * space; undefined when there is nothing.
 *
 * 1. The pointer's steps: `~1` is a slash, `~0` a tilde, in this order.
 * 2. Each step is an own name of an object or an index of a list; `-` (behind the end) finds nothing.
 */
export function pointInto(value: unknown, pointer: string): string | undefined {
	let at = value
	const steps = pointer
		.split('/')
		.slice(1)
		.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
	for (const step of steps) {
		if (typeof at !== 'object' || at === null || json.isRawJSON(at)) return undefined
		if (Array.isArray(at) && !INDEX.test(step)) return undefined
		if (!Object.hasOwn(at, step)) return undefined
		at = (at as Record<string, unknown>)[step]
	}
	return typeof at === 'string' ? at : JSON.stringify(at)
}
