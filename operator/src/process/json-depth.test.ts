import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isTooDeep } from './json-depth.ts'

const depthOf = (value: unknown): number =>
	typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0

test('JSON is too deep when some value in it lies deeper than that, whatever its texts look like', () => {
	const text = fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', 'a') })
	const { json } = fc.letrec((tie) => ({
		json: fc.oneof({ maxDepth: 5 }, text, fc.array(tie('json')), fc.dictionary(text, tie('json'))),
	}))
	fc.assert(
		fc.property(json, fc.nat({ max: 6 }), (value, max) => {
			expect(isTooDeep(JSON.stringify(value), max)).toBe(depthOf(value) > max)
		}),
	)
})

test('many brackets side by side are not deep, and a few within each other are', () => {
	expect(isTooDeep(JSON.stringify(Array.from({ length: 1_000 }, () => ({}))), 2)).toBe(false)
	expect(isTooDeep('[[[', 2)).toBe(true)
	expect(isTooDeep('[[', 2)).toBe(false)
})
