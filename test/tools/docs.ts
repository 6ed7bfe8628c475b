// What is static about the documentation: `node test/tools/docs.ts`. The spelling is checked by cspell beside it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { check } from './docs/rules.ts'

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
	encoding: 'utf8',
})
const paths = tracked.split('\n').filter(Boolean)
const problems = paths.flatMap((path) => check(path, readFileSync(path, 'utf8'), '.'))
for (const { path, line, text } of problems) console.log(`${path}:${line} ${text}`)
console.log(`${paths.length} pages, ${problems.length} problems`)
if (problems.length > 0) process.exitCode = 1
