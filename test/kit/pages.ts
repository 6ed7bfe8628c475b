// The command blocks of documentation pages, for the tests that run them as they stand.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readMarkdown } from '../tools/docs/markdown.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface PageBlock {
	readonly line: number
	readonly text: string
}

/** The blocks of a page, in their order, that say `run by: test`. */
export function blocksOf(path: string, test: string): PageBlock[] {
	return readMarkdown(readFileSync(join(ROOT, path), 'utf8')).blocks.filter(({ mark }) => mark === `run by: ${test}`)
}
