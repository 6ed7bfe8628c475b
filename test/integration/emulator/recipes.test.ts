// What the README tells newcomers to do, done: the recipes as they stand there, with the packed tarball.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { emulatorControl } from 'azure-key-vault-emulator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registrySettings } from './registry.ts'

const run = promisify(execFile)
const PACKAGE = join(import.meta.dirname, '../../emulator')
const MODULES = resolve(import.meta.dirname, '../../../node_modules')
const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8')

/** The fenced block of the README that has the words. */
function recipe(words: string): string {
	const block = README.split('```').find((text, i) => i % 2 === 1 && text.includes(words))
	if (block === undefined) throw new Error(`no recipe has ${words}`)
	return block.slice(block.indexOf('\n') + 1)
}

const isThere = (pid: number): boolean => {
	try {
		return process.kill(pid, 0)
	} catch {
		return false
	}
}

describe('the recipes of the README', () => {
	let folder: string
	let tarball: string
	let environment: NodeJS.ProcessEnv
	const started: number[] = []
	const children: ChildProcess[] = []
	beforeAll(async () => {
		folder = mkdtempSync(join(tmpdir(), 'emulator-recipes-'))
		const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], { cwd: PACKAGE })
		const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as Array<{ filename: string }>
		tarball = join(folder, packed?.filename ?? '')
		environment = {
			PATH: process.env['PATH'],
			HOME: folder,
			npm_config_cache: join(folder, 'npm-cache'),
			...registrySettings(),
		}
	})
	afterAll(() => {
		for (const pid of started) if (isThere(pid)) process.kill(pid, 'SIGKILL')
		for (const child of children) child.kill('SIGKILL')
		rmSync(folder, { recursive: true, force: true })
	})
	/** The same command, of the package that is not published. */
	const local = (script: string): string => script.replaceAll('npx ', `npx --yes --package='${tarball}' `)
	/** The process at the end of a line of children: below npx are a shell and the emulator. */
	const emulatorOf = async (parent: number): Promise<number> => {
		const { stdout } = await run('ps', ['-e', '-o', 'pid=,ppid=,args='])
		const lines = stdout.split('\n').map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [])
		const childOf = (pid: number): number | undefined => {
			const child = lines.find(([, , of]) => Number(of) === pid)
			return child === undefined ? pid : childOf(Number(child[1]))
		}
		return childOf(parent) ?? parent
	}

	it('npx … & ends with the script that ran it', { timeout: 300_000 }, async () => {
		const script = local(`npx azure-key-vault-emulator --port 0 --vault payments & echo "pid $!"; read -r line`)
		const shell = spawn('sh', ['-c', script], { cwd: folder, env: environment, detached: true })
		children.push(shell)
		let out = ''
		shell.stdout.on('data', (chunk: Buffer) => {
			out += chunk.toString()
		})
		await expect.poll(() => out, { timeout: 200_000, interval: 100 }).toContain('"msg":"ready"')
		const npx = Number(/pid (\d+)/.exec(out)?.[1])
		const emulator = await emulatorOf(npx)
		started.push(npx, emulator)
		expect(emulator).not.toBe(npx)
		shell.stdin.end()
		await once(shell, 'exit')
		await expect.poll(() => [npx, emulator].filter(isThere), { timeout: 20_000 }).toEqual([])
	})

	it('the one for GitHub Actions gives later steps all variables', { timeout: 300_000 }, async () => {
		const step = /run: \|\n((?: {4}.*\n)+)/.exec(recipe('actions/checkout'))?.[1]?.replace(/^ {4}/gm, '') ?? ''
		const temporary = join(folder, 'runner')
		mkdirSync(temporary)
		// On a runner the step's shell is the only one on its port; here the machine is shared.
		const script = `${local(step).replace('--env', '--env --port 0')}\necho "$!" > pid`
		const variables = { ...environment, RUNNER_TEMP: temporary, GITHUB_ENV: join(temporary, 'variables') }
		// GitHub runs steps by this shell.
		await run('bash', ['-e', '-c', script], { cwd: temporary, env: variables, timeout: 200_000 })
		const npx = Number(readFileSync(join(temporary, 'pid'), 'utf8'))
		started.push(npx, await emulatorOf(npx))
		const given = Object.fromEntries(
			readFileSync(join(temporary, 'variables'), 'utf8')
				.trim()
				.split('\n')
				.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
		) as Record<string, string>
		expect(given['AZURE_KEYVAULT_URL']).toBe('https://payments.vault.azure.net')
		for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE'])
			expect(existsSync(given[name] ?? ''), name).toBe(true)
		await application({ ...environment, ...given })
		const control = emulatorControl(given['EMULATOR_CONTROL_URL'] ?? '')
		expect((await control.getSecret({ vault: 'payments', name: 'db' })).value).toBe('secret')
	})

	it('the one for vitest lets the application itself run in a test', { timeout: 300_000 }, async () => {
		const project = join(folder, 'project')
		mkdirSync(join(project, 'node_modules'), { recursive: true })
		await run('tar', ['-xzf', tarball, '-C', project])
		cpSync(join(project, 'package'), join(project, 'node_modules', 'azure-key-vault-emulator'), { recursive: true })
		for (const name of ['vitest', 'jose', '@azure'])
			symlinkSync(join(MODULES, name), join(project, 'node_modules', name))
		const text = recipe('emulator.setup.ts')
		const config = /\/\/ vitest\.config\.ts: (.*)\n/.exec(text)?.[1] ?? ''
		const call = /\/\/ in a test: (.*)\n/.exec(text)?.[1] ?? ''
		const files = {
			'package.json': '{"type":"module"}',
			'vitest.config.ts': `import { defineConfig } from 'vitest/config'\n${config}\n`,
			'emulator.setup.ts': text,
			'app.mjs': APPLICATION,
			'app.test.ts': `
import { execFileSync } from 'node:child_process'
import { emulatorControl } from 'azure-key-vault-emulator'
import { expect, inject, it } from 'vitest'
it('runs the application', async () => {
	${call}
	execFileSync(process.execPath, ['app.mjs'])
	expect((await control.getSecret({ vault: 'payments', name: 'db' })).value).toBe('secret')
})
`,
		}
		for (const [name, content] of Object.entries(files)) writeFileSync(join(project, name), content)
		const vitest = join(MODULES, 'vitest', 'vitest.mjs')
		const { stdout } = await run(process.execPath, [vitest, 'run'], {
			cwd: project,
			env: environment,
			timeout: 120_000,
		})
		expect(stdout).toMatch(/1 passed/)
	})

	/** The application of the README in a process that knows of nothing but its environment. */
	async function application(env: NodeJS.ProcessEnv): Promise<void> {
		const script = join(folder, 'app.mjs')
		writeFileSync(script, APPLICATION)
		if (!existsSync(join(folder, 'node_modules'))) symlinkSync(MODULES, join(folder, 'node_modules'))
		await run(process.execPath, [script], { env, timeout: 60_000 })
	}
	const APPLICATION = recipe('nothing in it knows of an emulator')
})
