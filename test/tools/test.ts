// `npm test`: everything that is static, then unit, integration and end-to-end tests on a real cluster.
//
// 1. `npm run check` and the unit tests, which need no cluster: a mistake there shows in a minute.
// 2. The cluster: brought up (built, the first time on a machine) and held under the lock until the end.
// 3. Integration tests, those that need the cluster beside those that do not, and end-to-end tests; then the cluster is
//    taken down, unless `--keep`.
// 4. The closing line `N passed, N failed`, whatever happened before.
//
// Arguments: --keep · --only=check,unit,integration,e2e · anything else goes to vitest (a file filter, -t NAME).
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { downCluster, downKeptDemo, ensureCluster } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'

const STAGES = ['check', 'unit', 'integration', 'e2e'] as const
type Stage = (typeof STAGES)[number]

const args = process.argv.slice(2)
const keep = args.includes('--keep')
const only = args
	.find((arg) => arg.startsWith('--only='))
	?.slice('--only='.length)
	.split(',') ?? [...STAGES]
const forVitest = args.filter((arg) => arg !== '--keep' && !arg.startsWith('--only='))
const reports = mkdtempSync(join(tmpdir(), 'asb-test-'))
/** The tests of the emulator's clients leave their matrix here. */
const matrix = join(reports, 'clients.txt')
process.env['ASB_CLIENT_MATRIX'] = matrix
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
	process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))

const count = { passed: 0, failed: 0 }
const failures: string[] = []

/** Runs a command on our terminal; false when it failed. It hears Ctrl-C itself. */
function run(command: string, ...rest: string[]): Promise<boolean> {
	return new Promise((resolve) => {
		const child = spawn(command, rest, { stdio: ['ignore', 'inherit', 'inherit'] })
		const end = () => child.kill('SIGTERM')
		stopping.signal.addEventListener('abort', end)
		child.on('error', () => resolve(false))
		child.on('close', (code) => {
			stopping.signal.removeEventListener('abort', end)
			resolve(code === 0)
		})
	})
}

function fail(what: string) {
	count.failed += 1
	failures.push(what)
}

/** Where the time went, for whoever wants to have less of it: stages, and single files. Milliseconds. */
const times: { stages: [string, number][]; files: [string, number][] } = { stages: [], files: [] }

/** How many of the slowest files are named. */
const SLOWEST = 12

async function timed(stage: string, work: () => Promise<void>): Promise<void> {
	const started = performance.now()
	try {
		await work()
	} finally {
		times.stages.push([stage, performance.now() - started])
	}
}

function tellTimes(): void {
	const told = ([what, ms]: [string, number]) => `${what} ${Math.round(ms / 1000)} s`
	const slowest = times.files.toSorted(([, a], [, b]) => b - a).slice(0, SLOWEST)
	console.log(`time: ${times.stages.map(told).join(' · ')}`)
	if (slowest.length > 0) console.log(`slowest files: ${slowest.map(told).join(' · ')}`)
}

interface VitestReport {
	numPassedTests: number
	numFailedTests: number
	testResults: Array<{
		name: string
		status: string
		startTime: number
		endTime: number
		message?: string
		assertionResults: Array<{ fullName: string; status: string; failureMessages?: string[] }>
	}>
}

/** Characters of a failure in the closing lines: what was expected and what came, for whoever sees the end of a log only. */
const MAX_REASON = 500

/** The first line of a failure. */
const reasonOf = (text = ''): string => (text.split('\n')[0] ?? '').slice(0, MAX_REASON)

async function vitest(project: Exclude<Stage, 'check'> | 'local'): Promise<void> {
	stopping.signal.throwIfAborted()
	const file = join(reports, `${project}.json`)
	const ok = await run(
		'vitest',
		'run',
		'--project',
		project,
		'--reporter=default',
		'--reporter=json',
		`--outputFile.json=${file}`,
		// A file that is asked for is in one of the projects of a stage.
		...(project === 'local' ? ['--passWithNoTests'] : []),
		...forVitest,
	)
	let report: VitestReport
	try {
		report = JSON.parse(readFileSync(file, 'utf8')) as VitestReport
	} catch {
		fail(`${project}: the tests did not run to their end`)
		return
	}
	count.passed += report.numPassedTests
	const before = count.failed
	for (const suite of report.testResults) {
		times.files.push([relative(process.cwd(), suite.name), suite.endTime - suite.startTime])
		const failed = suite.assertionResults.filter((test) => test.status === 'failed')
		for (const test of failed) fail(`${project}: ${test.fullName}: ${reasonOf(test.failureMessages?.[0])}`)
		if (suite.status === 'failed' && failed.length === 0)
			fail(`${project}: ${suite.name} could not run: ${reasonOf(suite.message)}`)
	}
	// For example an unhandled rejection, which belongs to no test.
	if (!ok && count.failed === before) fail(`${project}: vitest reported an error outside of a test`)
}

async function main(): Promise<void> {
	const wants = (stage: Stage) => only.includes(stage)
	if (wants('check')) {
		await timed('check', async () => {
			if (await run('node', 'test/tools/check.ts')) count.passed += 1
			else fail('npm run check')
		})
	}
	if (wants('unit')) await timed('unit', () => vitest('unit'))
	if (!wants('integration') && !wants('e2e')) return
	const progress = createProgress()
	try {
		await timed('cluster', async () => {
			await downKeptDemo({ progress, holder: 'npm test' })
			await ensureCluster({ progress, holder: 'npm test' })
		})
		if (wants('integration'))
			await timed('integration', async () => {
				await Promise.all([vitest('integration'), vitest('local')])
			})
		if (wants('e2e')) await timed('e2e', () => vitest('e2e'))
	} finally {
		if (!keep) await downCluster({ progress })
	}
}

try {
	await main()
} catch (error) {
	fail(error instanceof Error ? error.message : String(error))
}
if (existsSync(matrix)) console.log(`\n${readFileSync(matrix, 'utf8')}`)
rmSync(reports, { recursive: true, force: true })
tellTimes()
for (const failure of failures) console.log(`FAIL ${failure}`)
console.log(`${count.passed} passed, ${count.failed} failed`)
process.exitCode = count.failed === 0 ? 0 : 1
