import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createScanner } from './scanner.ts'

const value = 'c4n/r+y "quoted" \\ 0123\n€?>~'
const scanner = createScanner([{ name: 'db', value }])
const leaks: Array<[string, string]> = [
	['plain', `error: could not connect with ${value}!`],
	['hex in upper case', Buffer.from(value).toString('hex').toUpperCase()],
	['JSON', JSON.stringify({ password: value })],
	['URL', `https://host/?p=${encodeURIComponent(value)}`],
	['form', new URLSearchParams({ p: value }).toString()],
	['base64', Buffer.from(value).toString('base64')],
	['base64 of a longer text, one byte in front', Buffer.from(`x${value}yz`).toString('base64')],
	['base64 of a longer text, two bytes in front', Buffer.from(`xx${value}`).toString('base64')],
	['base64url', Buffer.from(`abc${value}`).toString('base64url')],
]

describe('the canary scanner', () => {
	it.each(leaks)('finds a planted leak: %s', (_shape, text) => {
		const found = scanner.scan('log', text)
		expect(found.length).toBeGreaterThan(0)
		expect(JSON.stringify(found)).not.toContain(value)
	})

	it('finds a JWT although no canary names it', () => {
		const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url')
		const jwt = `${part({ alg: 'RS256', kid: 'k' })}.${part({ sub: 'system:serviceaccount:a:b' })}.${'s'.repeat(40)}`
		expect(scanner.scan('audit', `token=${jwt}`)).toMatchObject([{ canary: 'any JWT', shape: 'jwt', source: 'audit' }])
	})

	it('finds a value at any place of any base64 text', () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (before, after) => {
				const text = Buffer.concat([before, Buffer.from(value), after]).toString('base64')
				expect(scanner.scan('x', text)).not.toEqual([])
			}),
		)
	})

	it('finds nothing in text without the value', () => {
		expect(scanner.scan('log', `c4n/r+y is not the whole value, nor is ${gzipSync(value).toString('base64')}`)).toEqual(
			[],
		)
	})

	it('refuses a canary so short that chance would find it', () => {
		expect(() => createScanner([{ name: 'pin', value: '1234' }])).toThrow('canary pin')
	})
})
