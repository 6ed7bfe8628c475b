import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { artifact, keyOf } from './artifact.ts'
import type { Context } from './context.ts'
import { pathsOf } from './paths.ts'
import { createProgress } from './progress.ts'

let cache: string
let context: Context
let lines: string[]

beforeEach(() => {
	cache = mkdtempSync(join(tmpdir(), 'asb-artifact-'))
	lines = []
	context = {
		paths: pathsOf(cache),
		progress: createProgress({ write: (line) => lines.push(line) }),
		signal: undefined,
	}
})
afterEach(() => rmSync(cache, { recursive: true, force: true }))

/** Builds one file with `content`; counts how often. */
function step(inputs: unknown, content = 'result') {
	const self = {
		built: 0,
		run: () =>
			artifact(context, {
				name: 'thing',
				inputs,
				build: async (folder) => {
					self.built += 1
					expect(readdirSync(folder)).toEqual([])
					writeFileSync(join(folder, 'file'), content)
				},
			}),
	}
	return self
}

describe('artifact', () => {
	it('is built once', async () => {
		const thing = step({ version: 1 })
		const folder = await thing.run()
		expect(await thing.run()).toBe(folder)
		expect(thing.built).toBe(1)
		expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('result')
		expect(lines.filter((line) => line.includes('done in'))).toHaveLength(1)
	})

	it('is built again for other inputs, and the replaced one is removed', async () => {
		const first = await step({ version: 1 }).run()
		const second = await step({ version: 2 }).run()
		expect(second).not.toBe(first)
		expect(existsSync(first)).toBe(false)
		expect(existsSync(second)).toBe(true)
	})

	it('is not there after a failed build, and the next run starts from an empty folder', async () => {
		const failing = artifact(context, {
			name: 'thing',
			inputs: { version: 1 },
			build: async (folder) => {
				writeFileSync(join(folder, 'half'), 'half')
				throw new Error('no network')
			},
		})
		await expect(failing).rejects.toThrow('no network')
		expect(lines.at(-1)).toContain('thing: FAILED')
		const thing = step({ version: 1 })
		const folder = await thing.run()
		expect(thing.built).toBe(1)
		expect(readdirSync(folder)).toEqual(['file'])
	})

	it('keeps an older result while a newer one fails', async () => {
		const first = await step({ version: 1 }).run()
		const failing = artifact(context, {
			name: 'thing',
			inputs: { version: 2 },
			build: () => Promise.reject(new Error('no')),
		})
		await expect(failing).rejects.toThrow('no')
		expect(existsSync(first)).toBe(true)
	})

	it('has a key that follows from the inputs alone', () => {
		expect(keyOf({ a: 1 })).toBe(keyOf({ a: 1 }))
		expect(keyOf({ a: 1 })).not.toBe(keyOf({ a: 2 }))
	})
})
