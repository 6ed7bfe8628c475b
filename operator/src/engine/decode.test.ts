import { describe, expect, it } from 'vitest'
import { decodeValue } from './decode.ts'
import { parseJson, pointInto } from './pointer.ts'

const bytes = (...list: number[]) => Buffer.from(list)

describe('a value', () => {
	it.each([
		['as it is stays text, whatever it looks like', 'None', 'deadbeef\r\n', 'deadbeef\r\n'],
		['in base64 becomes its bytes', 'Base64', '/+8A', bytes(0xff, 0xef, 0)],
		['in base64 with padding of one', 'Base64', '/+8=', bytes(0xff, 0xef)],
		['in base64 with padding of two', 'Base64', '/w==', bytes(0xff)],
		['in base64 that is empty is an empty file', 'Base64', '', bytes()],
		['in base64url becomes its bytes', 'Base64Url', '_-8', bytes(0xff, 0xef)],
		['in base64url may have its padding', 'Base64Url', '_-8=', bytes(0xff, 0xef)],
		['in hexadecimal becomes its bytes, in capitals or not', 'Hex', 'DEadbeef', bytes(0xde, 0xad, 0xbe, 0xef)],
		['in hexadecimal that is empty is an empty file', 'Hex', '', bytes()],
	] as const)('%s', (_, decode, value, content) => expect(decodeValue(value, decode)).toEqual(content))

	it.each([
		['base64 without its padding', 'Base64', '/+8'],
		['base64 with a line break at its end', 'Base64', '/+8A\n'],
		['base64 in lines', 'Base64', '/+8A\n/+8A'],
		['base64 in the other alphabet', 'Base64', '_-8A'],
		['base64 with bits behind its last byte', 'Base64', '/x=='],
		['base64 with too much padding', 'Base64', '/+8A===='],
		['base64url in the other alphabet', 'Base64Url', '/+8A'],
		['base64url with bits behind its last byte', 'Base64Url', '_x'],
		['base64url of one character too many', 'Base64Url', '_-8A_'],
		['hexadecimal of an odd number of digits', 'Hex', 'abc'],
		['hexadecimal with a prefix', 'Hex', '0xab'],
		['hexadecimal with colons', 'Hex', 'ab:cd'],
		['hexadecimal with a letter behind f', 'Hex', 'ag'],
	] as const)('that should be %s is refused', (_, decode, value) => expect(decodeValue(value, decode)).toBeUndefined())
})

describe('a pointer into JSON', () => {
	const point = (text: string, pointer: string) => {
		const parsed = parseJson(text)
		return parsed.kind === 'json' ? pointInto(parsed.value, pointer) : parsed
	}
	const json =
		'{"db": {"password": "p\\u00e4ss\\n", "port": 5432, "big": 12345678901234567890, "one": 1.0}, "list": ["a", {"b": null}],' +
		' "a/b": "slash", "m~n": "tilde", "~1": "both", "": "empty", "on": true, "__proto__": "own", "bigs": [1e400, -0]}'
	it.each([
		['takes a string as it is, escapes undone', '/db/password', 'päss\n'],
		['takes a number as it is written', '/db/port', '5432'],
		['keeps numbers that JavaScript cannot hold', '/db/big', '12345678901234567890'],
		['keeps the form of a number', '/db/one', '1.0'],
		['keeps numbers within a list', '/bigs', '[1e400,-0]'],
		['takes a truth value as JSON', '/on', 'true'],
		['takes null as JSON', '/list/1/b', 'null'],
		['takes an object as JSON without white space', '/list/1', '{"b":null}'],
		['takes an item of a list', '/list/0', 'a'],
		['reads ~1 as a slash', '/a~1b', 'slash'],
		['reads ~0 as a tilde', '/m~0n', 'tilde'],
		['reads ~01 as a tilde and a one', '/~01', 'both'],
		['finds an empty name', '/', 'empty'],
		['finds a name that objects inherit only when it is their own', '/__proto__', 'own'],
	])('%s', (_, pointer, pointed) => expect(point(json, pointer)).toBe(pointed))

	it('passes over a byte order mark', () => {
		expect(parseJson('\uFEFF{"a":"1"}')).toMatchObject({ kind: 'json', value: { a: '1' } })
	})
	it('that is empty takes the whole', () => {
		expect(point('"alone"', '')).toBe('alone')
		expect(point('[1, 2]', '')).toBe('[1,2]')
	})

	it.each([
		['no such name', '/db/user'],
		['a name that objects inherit', '/constructor'],
		['an index behind the end', '/list/2'],
		['the sign for behind the end', '/list/-'],
		['an index with a zero before it', '/list/00'],
		['the length of a list', '/list/length'],
		['a step into a string', '/db/password/0'],
		['a step into a number', '/db/port/rawJSON'],
		['a step into null', '/list/1/b/c'],
	])('finds nothing under %s', (_, pointer) => expect(point(json, pointer)).toBeUndefined())

	it.each(['', 'text', '{"a":', "{'a': 1}", '{"a": 1} x'])('says that %j is no JSON', (value) =>
		expect(point(value, '/a')).toEqual({ kind: 'notJson' }),
	)

	const nested = (levels: number) => `${'{"a":['.repeat(levels / 2)}1${']}'.repeat(levels / 2)}`
	it('takes 128 levels and says of more that they are too many, whatever is in strings', () => {
		expect(point(nested(128), '/a/0/a/0')).toContain('{"a":[')
		expect(point(nested(130), '/a')).toEqual({ kind: 'tooDeep' })
		expect(point('['.repeat(25_000), '')).toEqual({ kind: 'tooDeep' })
		expect(point(JSON.stringify({ a: `\\"${'['.repeat(200)}` }), '/a')).toHaveLength(202)
	})
})
