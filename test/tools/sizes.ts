// Sizes of the operator's source: `node test/tools/sizes.ts` prints the longest function, the longest file and the import
// circles, and fails above the bars. oxlint counts; with a limit of one line it reports every function.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
const circles = diagnostics.filter(({ code }) => code === 'import(no-cycle)')

const longest = (list: readonly Sized[]) => list.reduce((a, b) => (b.lines > a.lines ? b : a), { where: '', lines: 0 })
const [longestFunction, longestFile] = [longest(sized), longest(files)]
console.log(
	`longest function ${longestFunction.lines} (${longestFunction.where}), longest file ${longestFile.lines} (${longestFile.where}), import circles ${circles.length}`,
)
const above = [...sized.filter(({ lines }) => lines > MAX_FUNCTION), ...files.filter(({ lines }) => lines > MAX_FILE)]
for (const { where, lines } of above) console.log(`too long: ${where}, ${lines} lines`)
for (const { filename, message } of circles) console.log(`circle: ${filename}: ${message}`)
// A run that reports nothing has not looked.
if (above.length > 0 || circles.length > 0 || sized.length === 0 || files.length === 0) process.exitCode = 1
