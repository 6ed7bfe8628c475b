// The command `local` as a program, against the emulator, as its user starts it.
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createScanner } from '../canary/scanner.ts'
import { until } from '../kit/until.ts'
import { type DemoWorld, openDemo } from './world.ts'

const CLI = 'operator/src/cli.ts'
const [FIRST, SECOND] = ['pw-first-5Kq!"+&', 'pw-second-8Zw\\ü']

/** Each line ten times the one before: a thousand million in the end. */
const BOMB = `a0: &a0 [x]\n${Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`).join('\n')}\n`

const yamlOf = (name: string, secrets: string, vault = 'https://payments.vault.azure.net') => `
apiVersion: secrets.purista.dev/v1alpha1
kind: AzureSecretBinding
metadata: { name: ${name}, namespace: shop }
spec:
  vault: { url: ${vault} }
  identity: { serviceAccountName: payments }
  secrets: ${secrets}
  delivery: { secret: { name: ${name}-secrets } }
  refresh: { interval: 5s }
`

describe('local', { timeout: 60_000 }, () => {
	let world: DemoWorld
	const printed: string[] = []
	let runs = 0

	beforeAll(async () => {
		world = await openDemo(['payments'], (line) => printed.push(line))
		const { control } = world.emulator
		await control.grant({ clientId: world.clientId, role: 'Key Vault Secrets User', vault: 'payments' })
		await control.setSecret({ vault: 'payments', name: 'payments-db', value: FIRST })
	})
	afterAll(() => world.close())

	/** Starts it with a file of that content; `out` is its folder. */
	const start = async (yaml: string, args: string[] = ['--yes'], env: Record<string, string> = {}) => {
		const file = await world.write(`bindings-${++runs}.yaml`, yaml)
		const out = join(world.folder, `out-${runs}`)
		return { out, file, program: world.start(CLI, ['local', '-f', file, '--out', out, ...args], env) }
	}
	const file = (path: string) => readFile(path, 'utf8')
	const db = '[{ name: db, objectName: payments-db }]'

	it('mirrors, follows a rotation, and takes its files away at the end', async () => {
		const { out, program } = await start(`${yamlOf('one', db)}---\nkind: Deployment\nmetadata: { name: web }\n`)
		await until('the file', async () => (await file(join(out, 'db'))) === FIRST)
		await world.emulator.control.setSecret({ vault: 'payments', name: 'payments-db', value: SECOND })
		await until('the rotation', async () => (await file(join(out, 'db'))) === SECOND)
		await writeFile(join(out, 'db'), 'edited by hand')
		await program.stop()
		expect(await program.exit).toBe(0)
		await expect(readdir(out)).rejects.toThrow('ENOENT')
		expect(program.output).toContain('skipped: Deployment web')
		expect(program.output).toMatch(/NAME\s+READY\s+FRESH\s+SYNCED\s+VAULT\s+FOLDER\none\s+True\s+True\s+1\/1/)
	})

	it('ends after one pass with --once, leaves the files, and says by its exit code whether all is there', async () => {
		const good = await start(yamlOf('two', db), ['--yes', '--once'])
		expect(await good.program.exit).toBe(0)
		expect(await file(join(good.out, 'db'))).toBe(SECOND)
		const bad = await start(yamlOf('three', '[{ name: nowhere }]'), ['--yes', '--once'])
		expect(await bad.program.exit).toBe(1)
		expect(bad.program.output).toContain('SecretAbsent')
		// The same folder again is ours, and another binding's is not.
		const again = world.start(CLI, ['local', '-f', good.file, '--out', good.out, '--yes', '--once'])
		expect(await again.exit).toBe(0)
		const other = world.start(CLI, ['local', '-f', bad.file, '--out', good.out, '--yes', '--once'])
		expect(await other.exit).toBe(2)
		expect(other.output).toContain('of the binding shop/two')
	})

	it('gives each of several bindings a folder of its name', async () => {
		const { out, program } = await start(`${yamlOf('a', db)}---${yamlOf('b', db)}`, ['--yes', '--once'])
		expect(await program.exit).toBe(0)
		expect([await file(join(out, 'a', 'db')), await file(join(out, 'b', 'db'))]).toEqual([SECOND, SECOND])
	})

	it('shows vault, account and names, and asks before the first write', async () => {
		const { out, file: bindings } = await start(yamlOf('asked', db), ['--help'])
		const answered = async (answer: string) => {
			const node = `${process.execPath} --conditions=asb-source --disable-warning=ExperimentalWarning ${CLI}`
			const line = `${node} local -f ${bindings} --out ${out} --once`
			const env = { ...process.env, ...world.account }
			// `script` gives it a terminal.
			const { promise, resolve } = Promise.withResolvers<string>()
			const args = ['-qec', `${line}; echo "ended with $?"`, '/dev/null']
			const child = execFile('script', args, { env, timeout: 50_000 }, (_, stdout) => resolve(stdout))
			child.stdin?.write(`${answer}\n`)
			return promise
		}
		const declined = await answered('n')
		expect(declined).toContain('vault      https://payments.vault.azure.net')
		expect(declined).toContain(`account    application ${world.clientId}`)
		expect(declined).toContain('db  ←  payments-db')
		expect(declined).toContain('Nothing was written.')
		expect(declined).toContain('ended with 1')
		await expect(readdir(out)).rejects.toThrow('ENOENT')
		expect(await answered('y')).toContain('ended with 0')
		expect(await file(join(out, 'db'))).toBe(SECOND)
	})

	it.each([
		['no terminal to ask', yamlOf('x', db), [], 'Write --yes'],
		['no YAML', 'a: [', ['--yes'], 'no YAML'],
		['no binding', 'kind: Pod\nmetadata: { name: p }\n', ['--yes'], 'has no AzureSecretBinding'],
		['a field that does not exist', yamlOf('x', '[{ name: db, objct: d }]'), ['--yes'], 'spec.secrets.0'],
		['a vault that must not be read', yamlOf('x', db, 'https://evil.example.com'), ['--yes'], 'evil.example.com'],
		['a name that leads out of the folder', yamlOf('../../escape', db), ['--yes'], 'metadata.name'],
		['a file of aliases', BOMB, ['--yes'], 'too many aliases'],
		['the same binding twice', `${yamlOf('x', db)}---${yamlOf('x', db)}`, ['--yes'], 'occurs twice'],
	])('refuses %s', async (_, yaml, args, text) => {
		const { out, program } = await start(yaml, args)
		expect(await program.exit).toBe(2)
		expect(program.output).toContain(text)
		await expect(readdir(out)).rejects.toThrow('ENOENT')
	})

	it('leaves files of before alone when the answer is no', async () => {
		const { out, file: bindings, program } = await start(yamlOf('before', db), ['--yes', '--once'])
		expect(await program.exit).toBe(0)
		await world.emulator.control.setSecret({ vault: 'payments', name: 'payments-db', value: FIRST })
		const node = `${process.execPath} --conditions=asb-source --disable-warning=ExperimentalWarning ${CLI}`
		const { promise, resolve } = Promise.withResolvers<string>()
		const line = `${node} local -f ${bindings} --out ${out}`
		const env = { ...process.env, ...world.account }
		const child = execFile('script', ['-qec', line, '/dev/null'], { env, timeout: 50_000 }, (_, stdout) =>
			resolve(stdout),
		)
		child.stdin?.write('n\n')
		expect(await promise).toContain('Nothing was written.')
		expect(await file(join(out, 'db'))).toBe(SECOND)
		await world.emulator.control.setSecret({ vault: 'payments', name: 'payments-db', value: SECOND })
	})

	it('refuses a folder with files of somebody', async () => {
		const file = await world.write('mine.yaml', yamlOf('mine', db))
		const out = join(world.folder, 'mine')
		await mkdir(out)
		await writeFile(join(out, 'thesis.tex'), 'mine')
		const program = world.start(CLI, ['local', '-f', file, '--out', out, '--yes'])
		expect(await program.exit).toBe(2)
		expect(program.output).toContain('was not made by this program (it has thesis.tex)')
		expect(await readdir(out)).toEqual(['thesis.tex'])
	})

	it('says how to sign in when nobody is', async () => {
		const nobody = { AZURE_CLIENT_SECRET: 'pw-wrong-secret-4Yx', PATH: '/nowhere' }
		const { program } = await start(yamlOf('nobody', db), ['--yes', '--once'], nobody)
		expect(await program.exit).toBe(2)
		expect(program.output).toContain('az login')
	})

	it('prints no value and no token', async () => {
		const values = [FIRST, SECOND, 'pw-wrong-secret-4Yx'].map((value, i) => ({
			name: `value ${i}`,
			value: value ?? '',
		}))
		const { scan } = createScanner(values)
		expect(scan('planted', `x${FIRST}`)).not.toEqual([])
		expect(scan('output', printed.join('\n'))).toEqual([])
	})
})
