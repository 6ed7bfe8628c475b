// The tables of the emulator's README say which test shows a sentence: those tests are there, under these words.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
/** Folders whose files the tables name without a path. */
const FOLDERS = ['test/emulator/conformance', 'test/integration/emulator']
/** The tests of a file in one of these folders, or of a path, which may be that of a folder. */
function textOf(name: string): string | undefined {
	const paths = FOLDERS.map((folder) => `${folder}/${name}.test.ts`).filter((path) => existsSync(join(ROOT, path)))
	if (paths.length > 0) return paths.map(read).join('\n')
	if (!name.includes('/')) return undefined
	try {
		return read(`${name}.test.ts`)
	} catch {
		const tests = readdirSync(join(ROOT, name)).filter((each) => each.endsWith('.test.ts'))
		return tests.map((each) => read(join(name, each))).join('\n')
	}
}

/** What a cell claims and is not there: words of a title, cut at `…` and between titles, are in the file that stands before them. */
function missing(cell: string): string[] {
	return cell.split(' · ').flatMap((part) => {
		const [, name = '', titles = ''] = /^`([\w./-]+)`: (.+)$/.exec(part.trim()) ?? []
		const text = textOf(name)
		if (text === undefined) return [`${part}: no such test file`]
		return titles === 'all' ? [] : titles.split(/…|, |; |: /).filter((words) => !text.includes(words.trim()))
	})
}

it('each test that the tables name is there', () => {
	const rows = read('test/emulator/README.md')
		.split('\n')
		.map((line) => line.split('|'))
		.flatMap((cells) => (cells.length === 4 && /^\s*`[\w./-]+`: /.test(cells[2] ?? '') ? [cells[2] ?? ''] : []))
	expect(rows.length).toBeGreaterThan(50)
	expect(rows.flatMap(missing)).toEqual([])
})

it('one that is not there is found', () => {
	expect(missing('`pages`: come by default…, dance in the moonlight · `nowhere`: all')).toEqual([
		'dance in the moonlight',
		'`nowhere`: all: no such test file',
	])
})
