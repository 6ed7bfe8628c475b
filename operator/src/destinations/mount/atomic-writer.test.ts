import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { writeGeneration } from './atomic-writer.ts'

let directory: string
beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), 'asb-writer-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const MODES = { directory: 0o700, file: 0o600 }
const write = (files: Record<string, string>, keep: readonly string[] = []) =>
	writeGeneration(directory, { set: new Map(Object.entries(files)), keep, now: 0 }, MODES, () => true)

it.each<[string, Record<string, string>, string[]]>([
	// As long as a name may be, and one more: the file before it is there by then.
	['a file that cannot be written', { a: 'second', ['x'.repeat(256)]: 'y' }, []],
	['a file that is gone and was to stay', {}, ['a', 'b']],
])('of %s nothing is left, and what was there counts', async (_, files, keep) => {
	const generation = await write({ a: 'first' })
	await expect(write(files, keep)).rejects.toThrow()
	expect((await readdir(directory)).toSorted()).toEqual(['..data', generation, 'a'].toSorted())
	expect(await readFile(join(directory, 'a'), 'utf8')).toBe('first')
})
