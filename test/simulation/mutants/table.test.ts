// Whoever changes what a mutant replaces says how to break it now.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { MUTANTS } from './table.ts'

it.each(MUTANTS.map(({ broken, file, find }) => ({ broken, file, find })))('$broken: in $file', ({ file, find }) => {
	const text = readFileSync(new URL(`../../../operator/src/${file}`, import.meta.url), 'utf8')
	expect(text.split(find).length - 1).toBe(1)
})
