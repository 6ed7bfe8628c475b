import type { Decode } from '../api/schema.ts'

/** What a file holds: text is written as UTF-8, bytes as they are. */
export type Content = string | Uint8Array

const PATTERNS = {
	Base64: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
	// RFC 4648 lets the padding of this alphabet be left out.
	Base64Url: /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?$/,
	Hex: /^(?:[0-9A-Fa-f]{2})*$/,
} as const

const ENCODINGS = { Base64: 'base64', Base64Url: 'base64url', Hex: 'hex' } as const

/**
 * Turns a value into bytes as the spec says, never as the value looks: `deadbeef` is text, hexadecimal and base64 alike.
 *
 * @returns undefined when the value does not follow the rule to the letter: white space, line breaks, missing padding and
 * bits behind the last byte are refused, where Node itself would read past them
 */
export function decodeValue(value: string, decode: Decode): Content | undefined {
	if (decode === 'None') return value
	if (!PATTERNS[decode].test(value)) return undefined
	const bytes = Buffer.from(value, ENCODINGS[decode])
	if (decode === 'Hex') return bytes
	return bytes.toString(ENCODINGS[decode]).replace(/=+$/, '') === value.replace(/=+$/, '') ? bytes : undefined
}
