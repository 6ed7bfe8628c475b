import { expect, test } from 'vitest'
import { createOneByOne } from './one-by-one.ts'

test('work on one key waits for what came before, also when that failed; other keys do not wait', async () => {
	const oneByOne = createOneByOne()
	const done: string[] = []
	const first = Promise.withResolvers<void>()
	const all = [
		oneByOne('a', () => first.promise.finally(() => done.push('a1'))).catch(() => {}),
		oneByOne('a', async () => done.push('a2')),
		oneByOne('b', async () => done.push('b')),
	]
	await all[2]
	expect(done).toEqual(['b'])
	first.reject(new Error('no'))
	await Promise.all(all)
	expect(done).toEqual(['b', 'a1', 'a2'])
})
