import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createFinder } from './needles.ts'

it('finds what a walk for each string finds', () => {
	// Few letters, so that strings lie in one another and begin again in the middle; ŀ and @ fall together by their lower bits.
	const word = (minLength: number, maxLength: number) =>
		fc.string({ unit: fc.constantFrom('a', 'b', '@', 'ŀ'), minLength, maxLength })
	fc.assert(
		fc.property(fc.array(word(3, 7), { maxLength: 6 }), word(0, 200), (needles, text) => {
			const expected = needles
				.map((needle, index) => ({ index, offset: text.indexOf(needle) }))
				.filter(({ offset }) => offset >= 0)
			expect(createFinder(needles)(text)).toEqual(expected)
		}),
	)
})

it('walks far in each step with long strings, past the 255 that a step can say', () => {
	const long = 'x'.repeat(400)
	expect(createFinder([long])(`${'-'.repeat(5000)}${long}`)).toEqual([{ index: 0, offset: 5000 }])
})

it('refuses strings that are shorter than a block', () => {
	expect(() => createFinder(['ab'])).toThrow(/at least 3/)
})
