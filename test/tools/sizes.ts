// Sizes of the operator's source: `node test/tools/sizes.ts` prints the longest function, the longest file, the import circles,
// the fields that more than one file writes and the names that two files of a package have, and fails above the bars. oxlint
// counts; with a limit of one line it reports every function.
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const MAX_FUNCTION = 60
const MAX_FILE = 350
/** Written as data: the schema of the resource with the texts of its documentation. */
const DATA = new Set(['operator/src/api/schema.ts'])
/**
 * In the folders that decide, a function is what stands between its braces, whatever is nested in it. Elsewhere a function
 * that makes an object out of functions (a session, a transport) counts without those: each of them counts by itself.
 */
const DECIDING = /^operator\/src\/(engine|status|destinations)\//

interface Diagnostic {
	code: string
	message: string
	filename: string
	labels: { span: { offset: number; length: number; line: number } }[]
}
interface Sized {
	where: string
	lines: number
}

const folder = mkdtempSync(join(tmpdir(), 'asb-sizes-'))
let diagnostics: Diagnostic[]
try {
	const config = join(folder, 'config.json')
	const rules = {
		'max-lines-per-function': ['error', { max: 1 }],
		'max-lines': ['error', { max: 1 }],
		'import/no-cycle': 'error',
	}
	writeFileSync(config, JSON.stringify({ plugins: ['import'], categories: { correctness: 'off' }, rules }))
	const { stdout } = spawnSync('oxlint', ['-c', config, '--format', 'json', 'operator/src'], {
		encoding: 'utf8',
		maxBuffer: 64 * 1024 * 1024,
	})
	diagnostics = (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics
} finally {
	rmSync(folder, { recursive: true })
}

const isSource = ({ filename }: Diagnostic) => !/\.test\.ts$|\/testing\//.test(filename)
const of = (code: string) => diagnostics.filter((each) => each.code === code && isSource(each))
const linesOf = ({ message }: Diagnostic) => Number(/\((\d+)\)/.exec(message)?.[1] ?? 0)
const spanOf = ({ labels }: Diagnostic) => labels[0]?.span ?? { offset: 0, length: 0, line: 0 }

/** A function without the functions in it, where these count by themselves. */
function ownLines(one: Diagnostic, all: readonly Diagnostic[]): number {
	const { offset, length } = spanOf(one)
	const inside = all.filter((each) => {
		const span = spanOf(each)
		return (
			each !== one &&
			each.filename === one.filename &&
			span.offset >= offset &&
			span.offset + span.length <= offset + length
		)
	})
	const isDirect = (each: Diagnostic) =>
		!inside.some((other) => {
			const [a, b] = [spanOf(other), spanOf(each)]
			return other !== each && b.offset >= a.offset && b.offset + b.length <= a.offset + a.length
		})
	return linesOf(one) - inside.filter(isDirect).reduce((sum, each) => sum + linesOf(each), 0)
}

const functions = of('eslint(max-lines-per-function)')
const sized = functions.map((each): Sized => {
	const lines = DECIDING.test(each.filename) ? linesOf(each) : ownLines(each, functions)
	return { where: `${each.filename}:${spanOf(each).line}`, lines }
})
const files = of('eslint(max-lines)')
	.filter(({ filename }) => !DATA.has(filename))
	.map(({ filename }): Sized => ({ where: filename, lines: readFileSync(filename, 'utf8').split('\n').length - 1 }))
/** What more than one file has, with the files. */
function shared(of: Iterable<readonly [what: string, file: string]>): string[] {
	const files = new Map<string, Set<string>>()
	for (const [what, file] of of) files.set(what, (files.get(what) ?? new Set()).add(file))
	return [...files].filter(([, each]) => each.size > 1).map(([what, each]) => `${what}: ${[...each].join(', ')}`)
}

/** Fields of objects that are handed on. By name: what decides and what runs it uses one name for one thing. */
const ASSIGNED =
	/^\s*(?!this\.)(\w+(?:\.\w+)+) (?:=|\+=|-=|\?\?=|\|\|=|&&=) |^\s*(?!this\.)(\w+(?:\.\w+)+)(?:\+\+|--)/gm
const OF_STATE = ['engine', 'status', 'destinations', 'run', 'node', 'local']
const written = globSync(`operator/src/{${OF_STATE.join(',')}}/**/*.ts`)
	.filter((file) => !/\.test\.ts$|\/testing\/|_pb\.ts$/.test(file))
	.flatMap((file) =>
		Array.from(readFileSync(file, 'utf8').matchAll(ASSIGNED), ([, a, b]) => [a ?? b ?? '', file] as const),
	)
const fields = shared(written)

// An index is what a folder is imported by.
const names = ['operator', 'runtime-store'].flatMap((name) =>
	shared(
		globSync(`${name}/src/**/*.ts`)
			.filter((file) => !file.includes('/testing/') && basename(file) !== 'index.ts')
			.map((file) => [basename(file), file] as const),
	),
)
const circles = diagnostics.filter(({ code }) => code === 'import(no-cycle)')

const longest = (list: readonly Sized[]) => list.reduce((a, b) => (b.lines > a.lines ? b : a), { where: '', lines: 0 })
const [longestFunction, longestFile] = [longest(sized), longest(files)]
console.log(
	`longest function ${longestFunction.lines} (${longestFunction.where}), longest file ${longestFile.lines} (${longestFile.where}), import circles ${circles.length}, fields written from more than one file ${fields.length}, file names used twice ${names.length}`,
)
const above = [...sized.filter(({ lines }) => lines > MAX_FUNCTION), ...files.filter(({ lines }) => lines > MAX_FILE)]
for (const { where, lines } of above) console.log(`too long: ${where}, ${lines} lines`)
for (const { filename, message } of circles) console.log(`circle: ${filename}: ${message}`)
for (const each of fields) console.log(`written in two files: ${each}`)
for (const each of names) console.log(`two files of one name: ${each}`)
// A run that reports nothing has not looked.
if (written.length === 0 || fields.length + names.length > 0) process.exitCode = 1
if (above.length > 0 || circles.length > 0 || sized.length === 0 || files.length === 0) process.exitCode = 1
