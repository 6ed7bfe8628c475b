/**
 * Finds known secret values, in any of the shapes in which they leak, in text that must not hold them.
 *
 * A test gives the values it put into the vault (the canaries) and feeds every log, event, object, metric page and
 * audit line to `scan`. A finding names the canary and the shape, never the value.
 *
 * Shapes: plain · base64 and base64url at each of the three byte alignments (a value inside a longer encoded text) ·
 * hex · URL escapes · JSON escapes · and, without any canary, anything that looks like a signed JWT.
 */

import { createFinder } from './needles.ts'

export interface Canary {
	/** How findings call it. Not secret. */
	readonly name: string
	readonly value: string
}

export interface Finding {
	readonly canary: string
	readonly shape: string
	/** Where the text came from, as given to `scan`. */
	readonly source: string
	readonly offset: number
}

export interface Scanner {
	scan(source: string, text: string): Finding[]
}

/**
 * Shorter values would be found by accident: 8 bytes of base64 are 10 characters of 64, so a chance hit in a 100 MB log
 * has a probability below 1e-10.
 */
const MIN_CANARY_BYTES = 8

/** Header and payload of a JWT are JSON objects, so both parts start with `eyJ` (base64url of `{"`). */
const JWT = /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}/g

export function createScanner(canaries: readonly Canary[], options: { jwt?: boolean } = {}): Scanner {
	const needles = canaries.flatMap(({ name, value }) => {
		if (Buffer.byteLength(value) < MIN_CANARY_BYTES) {
			throw new Error(`canary ${name} has fewer than ${MIN_CANARY_BYTES} bytes: chance would find it; use a longer one`)
		}
		return shapesOf(value).map(({ shape, needle, anyCase }) => ({ name, shape, needle, anyCase }))
	})
	// Two walks: some shapes are told apart by case, and of others either case may be printed.
	const walks = [false, true].map((anyCase) => {
		const sought = needles.filter((each) => each.anyCase === anyCase)
		return { anyCase, sought, find: createFinder(sought.map(({ needle }) => needle)) }
	})
	return {
		scan(source, text) {
			const found: Finding[] = []
			for (const { anyCase, sought, find } of walks) {
				for (const { index, offset } of find(anyCase ? text.toLowerCase() : text)) {
					const { name, shape } = sought[index] as (typeof sought)[number]
					found.push({ canary: name, shape, source, offset })
				}
			}
			if (options.jwt !== false) {
				for (const match of text.matchAll(JWT))
					found.push({ canary: 'any JWT', shape: 'jwt', source, offset: match.index })
			}
			return found
		},
	}
}

interface Shape {
	shape: string
	needle: string
	anyCase: boolean
}

function shapesOf(value: string): Shape[] {
	const bytes = Buffer.from(value)
	const shapes: Shape[] = [
		{ shape: 'plain', needle: value, anyCase: false },
		{ shape: 'hex', needle: bytes.toString('hex'), anyCase: true },
		{ shape: 'JSON escapes', needle: JSON.stringify(value).slice(1, -1), anyCase: false },
		{ shape: 'URL escapes', needle: encodeURIComponent(value).toLowerCase(), anyCase: true },
		{
			shape: 'form escapes',
			needle: new URLSearchParams([['', value]]).toString().slice(1).toLowerCase(),
			anyCase: true,
		},
	]
	for (const alignment of [0, 1, 2]) {
		const inner = base64Inside(bytes, alignment)
		shapes.push({ shape: `base64, alignment ${alignment}`, needle: inner, anyCase: false })
		const url = inner.replaceAll('+', '-').replaceAll('/', '_')
		if (url !== inner) shapes.push({ shape: `base64url, alignment ${alignment}`, needle: url, anyCase: false })
	}
	return shapes
}

/**
 * The characters that every base64 text holds which encodes `bytes` after a multiple of three bytes plus `alignment`.
 *
 * 1. Put `alignment` bytes in front and encode.
 * 2. Drop the leading characters that also carry bits of the bytes in front (6 bits a character).
 * 3. Drop the trailing character that would also carry bits of what follows, and the padding.
 */
function base64Inside(bytes: Buffer, alignment: number): string {
	const encoded = Buffer.concat([Buffer.alloc(alignment), bytes]).toString('base64')
	const first = Math.ceil((alignment * 8) / 6)
	const end = Math.floor(((alignment + bytes.length) * 8) / 6)
	return encoded.slice(first, end)
}
