import { createHttpHeaders } from '@azure/core-rest-pipeline'
import { expect, test } from 'vitest'
import { AnswerHeaders } from './answer-headers.ts'

const given = { 'content-type': 'application/json', date: 'Sun, 29 Nov 2026 18:00:00 GMT', 'x-ms-request-id': 'a' }

test('headers of an answer are what the collection of the library makes of them', () => {
	const [ours, theirs] = [new AnswerHeaders(given), createHttpHeaders(given)]
	const seen = (headers: typeof theirs) => ({
		...{ get: headers.get('Content-Type'), none: headers.get('retry-after'), has: headers.has('DATE') },
		...{ all: [...headers], json: headers.toJSON() },
	})
	expect(seen(ours)).toEqual(seen(theirs))
	for (const headers of [ours, theirs]) {
		headers.set('Retry-After', 3)
		headers.delete('Date')
	}
	expect(ours.toJSON()).toEqual(theirs.toJSON())
	expect([ours.get('retry-after'), ours.has('date')]).toEqual(['3', false])
})

test('what every object has is no header, and of cookies there is the first', () => {
	const headers = new AnswerHeaders({ ...given, 'set-cookie': ['a=1', 'b=2'] })
	expect([headers.get('constructor'), headers.has('__proto__'), headers.has('toString')]).toEqual([
		undefined,
		false,
		false,
	])
	expect(headers.get('set-cookie')).toBe('a=1')
})
