import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLines } from './lines.ts'

async function* chunks(parts: Uint8Array[]) {
	yield* parts
}

async function collect(parts: Uint8Array[]): Promise<string[]> {
	const lines: string[] = []
	for await (const line of readLines(chunks(parts), { waiting: () => {}, arrived: () => {} })) lines.push(line)
	return lines
}

test('however the bytes are cut, also inside a character, the lines are the same', async () => {
	const bytes = Buffer.from('{"name":"Zürich"}\n{"emoji":"🔑"}\r\n\n  \n{"last":1}\nbroken off')
	const expected = ['{"name":"Zürich"}', '{"emoji":"🔑"}\r', '{"last":1}']
	await fc.assert(
		fc.asyncProperty(fc.array(fc.nat(bytes.length)), async (cuts) => {
			const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
			const parts = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
			expect(await collect(parts)).toEqual(expected)
		}),
	)
})

test('waiting and arriving alternate, and lines are handed out only in between', async () => {
	const log: string[] = []
	const hooks = { waiting: () => log.push('waiting'), arrived: () => log.push('arrived') }
	for await (const line of readLines(chunks([Buffer.from('a\nb'), Buffer.from('\n')]), hooks)) log.push(line)
	expect(log).toEqual(['waiting', 'arrived', 'a', 'waiting', 'arrived', 'b', 'waiting', 'arrived'])
	// A chunk without a line is no progress.
	const progress: boolean[] = []
	const noted = { waiting: (isFresh: boolean) => progress.push(isFresh), arrived: () => {} }
	for await (const _ of readLines(chunks(['a\n', 'b', 'b', '\n'].map((each) => Buffer.from(each))), noted));
	expect(progress).toEqual([true, true, false, false, true])
})

test('a line without end is refused before it fills the memory', async () => {
	const megabyte = Buffer.alloc(1024 * 1024, 'x')
	await expect(collect(Array.from({ length: 40 }, () => megabyte))).rejects.toThrow('too long')
})
