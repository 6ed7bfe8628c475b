import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { piecesOf } from './pieces.ts'

it.each([
	['', []],
	['one\n', ['one\n']],
	['one\ntwo\nthree', ['one\n', 'two\n', 'three']],
	['a long line\nb\nc\n', ['a long line\n', 'b\nc\n']],
	// Two bytes each: cut in the middle of one it would be another text.
	['ää\nöö\n', ['ää\n', 'öö\n']],
])('%j in pieces of six bytes is cut at the ends of lines', (text, pieces) => {
	const folder = mkdtempSync(join(tmpdir(), 'asb-pieces-'))
	const path = join(folder, 'log')
	writeFileSync(path, text)
	expect([...piecesOf(path, 6)]).toEqual(pieces)
	rmSync(folder, { recursive: true })
})
