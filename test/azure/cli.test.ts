// `npm run azure-check` as somebody with a subscription runs it, with the emulator in the role of Azure: by the exports of `--env`.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../cluster/run.ts'
import { emulatorControl } from '../emulator/src/index.ts'
import { until } from '../kit/until.ts'
import { resultsOf } from './conformance.ts'

const ROOT = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'asb-azure-cli-'))
const CONDITION = '--conditions=asb-source'
let emulator: ChildProcess
let environment: Record<string, string>

beforeAll(async () => {
	emulator = spawn(
		process.execPath,
		[
			CONDITION,
			join(ROOT, 'test/emulator/src/cli.ts'),
			'--vault',
			'payments',
			'--env',
			// Its proxy leads 443 here: two runs on one machine, or anything else on 443, are not in each other's way.
			'--port',
			'0',
			'--ca-folder',
			join(folder, 'ca'),
		],
		{ stdio: ['ignore', 'pipe', 'inherit'] },
	)
	let out = ''
	emulator.stdout?.on('data', (chunk: Buffer) => {
		out += chunk.toString()
	})
	const exports = until('the exports of the emulator', async () => out.includes('EMULATOR_CONTROL_URL'))
	const ended = once(emulator, 'exit').then(([code]) => {
		throw new Error(`the emulator ended with ${code} before it was ready; its words are above`)
	})
	for (const each of [exports, ended]) each.catch(() => undefined)
	await Promise.race([exports, ended])
	environment = Object.fromEntries(
		[...out.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name = '', value = '']) => [name, value] as const),
	)
	// What an SDK does by itself: Node's own requests take the proxy of the environment, too.
	environment['NODE_USE_ENV_PROXY'] = '1'
})
afterAll(() => {
	emulator.kill()
	rmSync(folder, { recursive: true, force: true })
})

const check = (...args: string[]) =>
	run(process.execPath, [CONDITION, join(ROOT, 'test/azure/cli.ts'), '--out', folder, ...args], {
		cwd: ROOT,
		env: { ...process.env, ...environment },
		timeoutMs: 600_000,
	})

it('runs the checks and the conformance suite against the vault, and leaves nothing in it', {
	timeout: 600_000,
}, async () => {
	const control = emulatorControl(environment['EMULATOR_CONTROL_URL'] ?? '')
	await control.setSecret({ vault: 'payments', name: 'somebody-elses', value: 'v' })
	// It fails when something differs; the report says what. Two seconds more than the emulator needs, for a machine that is busy.
	const failed = await check('--vault-url', environment['AZURE_KEYVAULT_URL'] ?? '', '--settle', '2').then(
		() => undefined,
		(error: unknown) => error,
	)
	const [name = ''] = readdirSync(folder).filter((each) => each.endsWith('.md'))
	const report = readFileSync(join(folder, name), 'utf8')
	expect(name).toMatch(/^\d{4}-\d\d-\d\d-payments\.vault\.azure\.net\.md$/)
	expect(report.split('\n').filter((line) => line.includes('**differs**'))).toEqual([])
	expect(failed).toBeUndefined()
	expect(report).toContain('8 of 8 as expected.')
	const [, good, asked, rest] = /(\d+) of (\d+) as expected\. (\d+) not asked\./.exec(report) ?? []
	expect(good).toBe(asked)
	// Most of what the four files ask needs no emulator; a suite that skips itself would pass otherwise.
	expect(Number(good)).toBeGreaterThan(80)
	expect(Number(rest)).toBeLessThan(30)
	expect(report).toContain('- ok: passes every character through, byte-exact')
	expect(report).toContain(
		'- not asked: purges by itself at the scheduled purge date (needs an emulator: control.configure)',
	)
	expect(report).not.toMatch(/eyJ/)
	const { secrets } = await control.listSecrets({ vault: 'payments' })
	expect(secrets.map((each) => each.name)).toEqual(['somebody-elses'])
})

it('ended in the middle, it takes away what it made, and says by which name it would be found', async () => {
	const control = emulatorControl(environment['EMULATOR_CONTROL_URL'] ?? '')
	const names = async () => (await control.listSecrets({ vault: 'payments' })).secrets.map(({ name }) => name)
	const args = ['--vault-url', environment['AZURE_KEYVAULT_URL'] ?? '', '--only', 'checks', '--out', folder]
	const child = spawn(process.execPath, [CONDITION, join(ROOT, 'test/azure/cli.ts'), ...args], {
		cwd: ROOT,
		env: { ...process.env, ...environment },
	})
	let out = ''
	for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (out += chunk.toString()))
	const ended = once(child, 'close')
	const isThere = async () => (await names()).some((name) => name.startsWith('asb-check-'))
	await until('a secret of the checks', isThere, { everyMs: 5 })
	child.kill('SIGTERM')
	expect((await ended)[0]).toBe(1)
	expect(out).toMatch(/^secrets of this run begin with asb-check-[0-9a-f]{8}-$/m)
	expect(out).toContain('ended by SIGTERM')
	expect((await names()).filter((name) => name.startsWith('asb-check-'))).toEqual([])
}, 120_000)

it.each([
	[['--vault-url', 'https://example.org'], 'name a vault for tests by --vault-url'],
	[['--vault-url', 'https://tests.vault.azure.net', '--only', 'all'], 'there is no all'],
	[['--vault-url', 'https://tests.vault.azure.net', '--only', 'secret'], 'name a namespace by --namespace'],
	[['--vault-url', 'https://tests.vault.azure.net', '--settle', 'x'], '--settle takes seconds'],
])('refuses %j with what to write', async (args, message) => {
	await expect(check(...args)).rejects.toThrow(message)
})

it('tells a test that differs from one that needs an emulator, and shows no token', () => {
	const failed = (title: string, text: string) => ({ title, status: 'failed', failureMessages: [text] })
	const results = resultsOf({
		testResults: [
			{
				assertionResults: [
					{ title: 'good', status: 'passed' },
					failed('clock', 'Error: needs an emulator: a clock that is moved\n    at x'),
					failed('other', 'AssertionError: expected eyJhbGciOi.eyJh.x to be 404\n    at y'),
				],
			},
		],
	})
	expect(results).toEqual([
		{ title: 'good', problem: undefined },
		{ title: 'clock', problem: undefined, notAsked: 'needs an emulator: a clock that is moved' },
		{ title: 'other', problem: 'AssertionError: expected (token) to be 404' },
	])
	expect(() => resultsOf({ testResults: [{ message: 'no such file', assertionResults: [] }] })).toThrow(
		'did not run: no such',
	)
})
