// The emulator's conformance suite, run against a vault that is really there.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tryRun } from '../cluster/run.ts'
import { NEEDS_CONTROL, VARIABLES } from '../emulator/conformance/real-vault.ts'
import type { Result } from './checks.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Those that ask the data plane of secrets. The others are about the emulator itself, or about what only it can be made to do. */
export const FILES = ['wire', 'secrets', 'deletion', 'sdk'] as const
/** Of one test: the longest waits for three deletions to show. */
const TEST_MS = 180_000
/** Of the whole: a hundred tests, most of them a few calls. */
const SUITE_MS = 1_800_000
/** Characters of a failure in the report: its first line, which is what was expected and what came. */
const MAX_PROBLEM = 300

interface Report {
	readonly testResults: ReadonlyArray<{
		readonly message?: string
		readonly assertionResults: ReadonlyArray<{
			readonly title: string
			readonly status: string
			readonly failureMessages?: readonly string[]
		}>
	}>
}

/** By the credential that DefaultAzureCredential finds in the environment. `settleMs`: how much slower the vault is than the emulator. */
export async function runConformance(vault: { url: string; prefix: string; settleMs: number }): Promise<Result[]> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-azure-check-'))
	const file = join(folder, 'results.json')
	const limits = [`--testTimeout=${TEST_MS}`, `--hookTimeout=${TEST_MS}`, '--maxWorkers=1']
	const tests = FILES.map((name) => `test/emulator/conformance/${name}.test.ts`)
	const told = {
		[VARIABLES.url]: vault.url,
		[VARIABLES.prefix]: vault.prefix,
		[VARIABLES.settleMs]: String(vault.settleMs),
	}
	try {
		// It ends with 1 when a test fails, which those do that need an emulator: the file tells them apart.
		const args = ['run', '--project', 'unit', ...limits, '--reporter=json', `--outputFile=${file}`, ...tests]
		await tryRun(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...args], {
			cwd: ROOT,
			env: { ...process.env, ...told },
			timeoutMs: SUITE_MS,
		})
		return resultsOf(JSON.parse(readFileSync(file, 'utf8')) as Report)
	} finally {
		rmSync(folder, { recursive: true, force: true })
	}
}

/** @throws Error when a file of tests did not run */
export function resultsOf({ testResults }: Report): Result[] {
	return testResults.flatMap(({ message, assertionResults }) => {
		if (assertionResults.length === 0) throw new Error(`the conformance suite did not run: ${firstLine(message ?? '')}`)
		return assertionResults.map(({ title, status, failureMessages = [] }): Result => {
			if (status === 'passed') return { title, problem: undefined }
			const line = firstLine(failureMessages.join('\n'))
			const at = line.indexOf(`${NEEDS_CONTROL}: `)
			if (at >= 0) return { title, problem: undefined, notAsked: line.slice(at) }
			return { title, problem: line || status }
		})
	})
}

/** Without whatever looks like a token. */
const firstLine = (text: string): string =>
	(text.split('\n')[0] ?? '').replace(/eyJ[\w.-]+/g, '(token)').slice(0, MAX_PROBLEM)
