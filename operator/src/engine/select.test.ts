import { describe, expect, it } from 'vitest'
import type { Selector } from '../api/schema.ts'
import { type Candidate, manifestSelectors, namedTags, select } from './select.ts'

const selector = (rest: Partial<Selector>): Selector => ({
	tags: {},
	stripPrefix: false,
	nameStyle: 'AsIs',
	managed: false,
	...rest,
})
const item = (objectName: string, tags: Record<string, string> = {}, managed?: true): Candidate => ({
	objectName,
	tags,
	...(managed ? { managed } : {}),
})
const names = (selectors: Selector[], items: Candidate[], explicit: { name: string; objectName: string }[] = []) =>
	select(
		selectors,
		explicit.map((each) => ({ ...each, optional: false })),
		items,
	).wanted.map(({ name, objectName }) => `${name}=${objectName}`)

describe('a selector', () => {
	it('takes what begins with its prefix, whatever the case', () => {
		expect(names([selector({ prefix: 'Pay-' })], [item('pay-a'), item('PAY-b'), item('payc')])).toEqual([
			'PAY-b=PAY-b',
			'pay-a=pay-a',
		])
	})
	it('takes what has all of its tags with these values', () => {
		const tagged = selector({ tags: { team: 'pay', env: 'prod' } })
		const items = [
			item('both', { team: 'pay', env: 'prod', more: '1' }),
			item('one', { team: 'pay' }),
			item('other', { team: 'pay', env: 'test' }),
		]
		expect(names([tagged], items)).toEqual(['both=both'])
	})
	it('asks for prefix and tags together', () => {
		const both = selector({ prefix: 'a', tags: { t: '1' } })
		expect(names([both], [item('a1', { t: '1' }), item('a2'), item('b', { t: '1' })])).toEqual(['a1=a1'])
	})
	it('leaves out what belongs to a certificate, unless it asks for it', () => {
		expect(names([selector({ prefix: 'a' })], [item('a', {}, true)])).toEqual([])
		expect(names([selector({ prefix: 'a', managed: true })], [item('a', {}, true)])).toEqual(['a=a'])
	})
	it('strips the prefix and writes names as environment variables are', () => {
		const upper = selector({ prefix: 'pay-', stripPrefix: true, nameStyle: 'UpperSnake' })
		expect(names([upper], [item('pay-db-password')])).toEqual(['DB_PASSWORD=pay-db-password'])
	})
	it('does not take what stripping would leave without a name', () => {
		expect(names([selector({ prefix: 'pay', stripPrefix: true })], [item('pay')])).toEqual([])
	})
	it('is not fooled by names of prototypes', () => {
		expect(names([selector({ tags: { constructor: 'x' } })], [item('a')])).toEqual([])
	})
})

describe('several selectors', () => {
	it('are alternatives; the first that matches gives the name', () => {
		const list = [selector({ prefix: 'a-', stripPrefix: true }), selector({ tags: { t: '1' } })]
		expect(names(list, [item('a-x', { t: '1' }), item('b', { t: '1' })])).toEqual(['b=b', 'x=a-x'])
	})
	it('do not take again what the spec names, nor another secret for its file name', () => {
		const explicit = [{ name: 'x', objectName: 'a-y' }]
		const list = [selector({ prefix: 'a-', stripPrefix: true })]
		expect(names(list, [item('A-Y'), item('a-x'), item('a-z')], explicit)).toEqual(['z=a-z'])
	})
	it('take neither of two secrets with one file name', () => {
		const list = [selector({ prefix: 'a-', stripPrefix: true }), selector({ prefix: 'b-', stripPrefix: true })]
		const { wanted, collisions } = select(list, [], [item('a-x'), item('b-x'), item('b-y')])
		expect(wanted.map(({ name }) => name)).toEqual(['y'])
		expect([...collisions]).toEqual([['x', ['a-x', 'b-x']]])
	})
})

describe('the manifest', () => {
	it('names selectors without what they do not say', () => {
		expect(manifestSelectors([selector({ prefix: 'a' })])).toEqual([
			{ prefix: 'a', stripPrefix: false, nameStyle: 'AsIs', managed: false },
		])
		expect(namedTags([selector({ tags: { a: '1', b: '2' } }), selector({ tags: { a: '2' } })])).toEqual(
			new Set(['a', 'b']),
		)
	})
})
