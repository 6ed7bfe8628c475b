// The command line as a process: what it prints, how it ends, what it refuses, and what it keeps.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { parseCli, UsageError } from '../src/cli/args.ts'
import { kubeconfigIssuer } from '../src/cli/federate.ts'
import { processInfo, watchedParents } from '../src/cli/parent.ts'
import { emulatorControl } from '../src/index.ts'

const CLI = join(import.meta.dirname, '../src/cli.ts')
const folder = mkdtempSync(join(tmpdir(), 'emulator-cli-'))
const caFolder = join(folder, 'ca')

const EMPTY_STATE = {
	schema: 1,
	tenantId: '22222222-2222-4222-8222-222222222222',
	backupKey: '',
	vaults: [],
	clients: [],
	issuers: [],
	access: { assignments: [], policies: [], roles: [] },
}

interface Ready {
	authority: string
	tenantId: string
	vaults: Record<string, string>
	caFile: string
	control: string
}

interface Started {
	readonly child: ChildProcess
	readonly ready: Ready
	out(): string
	err(): string
	/** Sends a signal; the exit code, and how long it took in milliseconds. */
	stop(signal?: NodeJS.Signals): Promise<{ code: number | null; ms: number }>
}

const running = new Set<ChildProcess>()

function launch(
	args: readonly string[],
	environment: NodeJS.ProcessEnv = {},
): { child: ChildProcess; out: () => string; err: () => string } {
	const child = spawn(process.execPath, ['--conditions=asb-source', CLI, ...args], {
		env: { ...process.env, ...environment },
	})
	running.add(child)
	let [out, err] = ['', '']
	child.stdout?.on('data', (chunk: Buffer) => {
		out += chunk.toString()
	})
	child.stderr?.on('data', (chunk: Buffer) => {
		err += chunk.toString()
	})
	return { child, out: () => out, err: () => err }
}

/** Starts and waits for the ready line, which is on standard error with `--env`. */
async function start(args: readonly string[]): Promise<Started> {
	const { child, out, err } = launch(['--port', '0', '--ca-folder', caFolder, ...args])
	const text = args.includes('--env') ? err : out
	await expect
		.poll(() => (child.exitCode === null ? text() : `ended: ${err()}`), { timeout: 15_000 })
		.toMatch(/\n|ended/)
	return {
		child,
		ready: JSON.parse(text()) as Ready,
		out,
		err,
		stop: async (signal = 'SIGTERM') => {
			const started = performance.now()
			child.kill(signal)
			const [code] = (await once(child, 'exit')) as [number | null]
			return { code, ms: performance.now() - started }
		},
	}
}

async function fails(args: readonly string[]): Promise<{ code: number | null; err: string; out: string }> {
	const { child, out, err } = launch(args)
	const [code] = (await once(child, 'close')) as [number | null]
	return { code, err: err(), out: out() }
}

describe('the command line', { timeout: 30_000 }, () => {
	afterEach(() => {
		for (const child of running) child.kill('SIGKILL')
		running.clear()
	})
	afterAll(() => rmSync(folder, { recursive: true, force: true }))

	it.each([
		['ends with the shell that started it in the background', [], true],
		['goes on without it when told to stay, and ends on Ctrl-C', ['--stay'], false],
	] as const)('%s', async (_what, options, ends) => {
		const args = ['--port', '0', '--ca-folder', caFolder, '--vault', 'payments', ...options]
		const command = [process.execPath, '--conditions=asb-source', CLI, ...args].map((word) => `'${word}'`).join(' ')
		// The shell says which process it started, and lives until its standard input ends.
		const shell = spawn('sh', ['-c', `${command} & echo "pid $!"; read -r line`], { detached: true })
		let out = ''
		shell.stdout.on('data', (chunk: Buffer) => {
			out += chunk.toString()
		})
		await expect.poll(() => out, { timeout: 15_000 }).toMatch(/"msg":"ready"/)
		const pid = Number(/pid (\d+)/.exec(out)?.[1])
		const isThere = (): boolean => {
			try {
				return process.kill(pid, 0)
			} catch {
				return false
			}
		}
		onTestFinished(() => {
			if (isThere()) process.kill(pid, 'SIGKILL')
		})
		expect(isThere()).toBe(true)
		const { control } = JSON.parse(/\{.*\}/.exec(out)?.[0] ?? '') as Ready
		shell.stdin.end()
		await once(shell, 'exit')
		if (!ends) {
			// Longer than it takes to see that a parent is gone: it looks every 500 ms.
			const until = Date.now() + 1_500
			await expect.poll(() => Date.now() >= until).toBe(true)
			expect((await emulatorControl(control).listVaults()).map(({ name }) => name)).toEqual(['payments'])
			process.kill(pid, 'SIGINT')
		}
		await expect.poll(isThere, { timeout: 15_000 }).toBe(false)
	})

	it('watches its parent, the caller of npx behind it, and nobody in a container', () => {
		const tree: Record<number, { parent: number; command: string }> = {
			50: { parent: 40, command: 'sh -c azure-key-vault-emulator --env' },
			40: { parent: 30, command: 'npm exec azure-key-vault-emulator --env' },
			30: { parent: 20, command: 'bash ./dev.sh' },
			20: { parent: 1, command: 'bash' },
			60: { parent: 1, command: 'npm exec azure-key-vault-emulator' },
		}
		expect(watchedParents(50, (pid) => tree[pid])).toEqual([50, 30])
		expect(watchedParents(30, (pid) => tree[pid])).toEqual([30])
		expect(watchedParents(60, (pid) => tree[pid])).toEqual([60])
		expect(watchedParents(70, (pid) => tree[pid])).toEqual([70])
		for (const parent of [0, 1]) expect(watchedParents(parent, (pid) => tree[pid])).toEqual([])
		expect(processInfo(process.pid)).toMatchObject({ parent: process.ppid })
		expect(processInfo(2 ** 30)).toBeUndefined()
	})

	it('prints one line of JSON when ready and ends within a second on SIGTERM and SIGINT', async () => {
		for (const signal of ['SIGTERM', 'SIGINT'] as const) {
			const emulator = await start(['--vault', 'payments', '--vault', 'shop'])
			expect(emulator.out().trim().split('\n')).toHaveLength(1)
			expect(Object.keys(emulator.ready)).toEqual(['msg', 'authority', 'tenantId', 'vaults', 'caFile', 'control'])
			expect(Object.keys(emulator.ready.vaults)).toEqual(['payments', 'shop'])
			expect(emulator.ready.vaults['payments']).toMatch(/^https:\/\/payments\.vault\.azure\.net:\d+$/)
			expect(readFileSync(emulator.ready.caFile, 'utf8')).toContain('BEGIN CERTIFICATE')
			const { code, ms } = await emulator.stop(signal)
			expect([code, emulator.err()]).toEqual([0, ''])
			expect(ms).toBeLessThan(1000)
		}
	})

	it('makes an unmodified SDK with no options use it through the exports of --env', async () => {
		const emulator = await start(['--vault', 'payments', '--env'])
		const lines = emulator.out().trim().split('\n')
		const variables = Object.fromEntries(
			lines.map((line) => [...(/^export ([A-Z_]+)='(.*)'$/.exec(line) ?? [])].slice(1)) as Array<[string, string]>,
		)
		expect(Object.keys(variables)).toEqual([
			'AZURE_TENANT_ID',
			'AZURE_CLIENT_ID',
			'AZURE_CLIENT_SECRET',
			'AZURE_KEYVAULT_URL',
			'HTTPS_PROXY',
			'NODE_EXTRA_CA_CERTS',
			'SSL_CERT_FILE',
			'REQUESTS_CA_BUNDLE',
			'EMULATOR_CONTROL_URL',
		])
		expect(emulator.err()).not.toContain(variables['AZURE_CLIENT_SECRET'])
		const app = join(import.meta.dirname, 'app.mjs')
		const child = spawn(process.execPath, [app], {
			env: { PATH: process.env['PATH'], ...variables },
			stdio: ['ignore', 'pipe', 'pipe'],
		})
		let [out, err] = ['', '']
		child.stdout.on('data', (chunk: Buffer) => {
			out += chunk.toString()
		})
		child.stderr.on('data', (chunk: Buffer) => {
			err += chunk.toString()
		})
		await once(child, 'close')
		expect([out, err]).toEqual(['https://payments.vault.azure.net/secrets/app written-by-the-app\n', ''])
		const control = emulatorControl(emulator.ready.control)
		const routes = (await control.requests()).map(({ route, status }) => [route, status])
		expect(routes).toEqual([
			['setSecret', 401],
			['token', 200],
			['setSecret', 200],
			['getSecret', 200],
		])
	})

	it('keeps vaults, secrets, clients and roles over restarts with --state, written by rename with mode 0600', async () => {
		const state = join(folder, 'vault.json')
		const first = await start(['--vault', 'payments', '--state', state])
		const control = emulatorControl(first.ready.control)
		const written = await control.setSecret({ vault: 'payments', name: 'kept', value: 'v', tags: { a: 'b' } })
		await control.deleteSecret(
			await control
				.setSecret({ vault: 'payments', name: 'gone', value: 'v' })
				.then(() => ({ vault: 'payments', name: 'gone' })),
		)
		await control.createVault({ name: 'legacy', access: 'policy' })
		await control.addClient({ clientId: 'c1', clientSecret: 'x' })
		await control.grant({ clientId: 'c1', role: 'Key Vault Secrets User', vault: 'payments' })
		await first.stop()
		expect(statSync(state).mode & 0o777).toBe(0o600)

		const second = await start(['--vault', 'payments', '--state', state])
		const again = emulatorControl(second.ready.control)
		expect(second.ready.tenantId).toBe(first.ready.tenantId)
		expect(await again.getSecret({ vault: 'payments', name: 'kept' })).toMatchObject({
			version: written.version,
			value: 'v',
			tags: { a: 'b' },
		})
		await expect(again.getSecret({ vault: 'payments', name: 'gone' })).rejects.toMatchObject({ code: 'SecretNotFound' })
		expect((await again.listVaults()).map(({ name, access }) => [name, access])).toEqual([
			['payments', 'rbac'],
			['legacy', 'policy'],
		])
		await again.revoke({ clientId: 'c1', role: 'Key Vault Secrets User', vault: 'payments' })
	})

	it('saves after a change, not only at the end: a killed emulator loses nothing older than a moment', async () => {
		const state = join(folder, 'killed.json')
		const emulator = await start(['--vault', 'payments', '--state', state])
		await emulatorControl(emulator.ready.control).setSecret({ vault: 'payments', name: 'kept', value: 'v' })
		await expect.poll(() => existsSync(state) && readFileSync(state, 'utf8').includes('"kept"')).toBe(true)
		await emulator.stop('SIGKILL')
		const again = await start(['--state', state])
		expect((await emulatorControl(again.ready.control).getSecret({ vault: 'payments', name: 'kept' })).value).toBe('v')
	})

	it.each([
		['no JSON', '{"schema":1,'],
		['another schema', '{"schema":2}'],
		['something else', '[]'],
		['no access', JSON.stringify({ ...EMPTY_STATE, access: null })],
		['a vault that lacks most', JSON.stringify({ ...EMPTY_STATE, vaults: [{ name: 'payments' }] })],
		['a client that lacks all', JSON.stringify({ ...EMPTY_STATE, clients: [{}] })],
	])('refuses a bad state file (%s) with a clear error and never overwrites it', async (_what, text) => {
		const state = join(folder, 'bad.json')
		writeFileSync(state, text)
		const { code, err, out } = await fails([
			'--port',
			'0',
			'--ca-folder',
			caFolder,
			'--vault',
			'payments',
			'--state',
			state,
		])
		expect([code, out]).toEqual([1, ''])
		expect(err).toContain(`the state file ${state} is not`)
		expect(readFileSync(state, 'utf8')).toBe(text)
	})

	it('refuses a state file in a folder that is not there, and not only when something has to be kept', async () => {
		const state = join(folder, 'nowhere', 'state.json')
		const { code, err, out } = await fails(['--port', '0', '--ca-folder', caFolder, '--state', state])
		expect([code, out]).toEqual([1, ''])
		expect(err).toContain(`the state file ${state} cannot be written: make its folder`)
	})

	it('says so when the port is in use', async () => {
		const server = createServer().listen(0, '127.0.0.1')
		await once(server, 'listening')
		const { port } = server.address() as { port: number }
		for (const option of ['--port', '--control-port']) {
			const args = option === '--port' ? [] : ['--port', '0']
			const { code, err } = await fails([...args, option, String(port), '--ca-folder', caFolder])
			expect([code, err]).toEqual([
				1,
				`azure-key-vault-emulator: port ${port} is in use; choose another with --port or --control-port\n`,
			])
		}
		server.close()
	})

	it('uses the CA in its folder again, also when the folder is read-only, and does not touch one that is broken', async () => {
		const first = await start([])
		const pem = readFileSync(first.ready.caFile, 'utf8')
		await first.stop()
		chmodSync(caFolder, 0o555)
		const second = await start([])
		expect(readFileSync(second.ready.caFile, 'utf8')).toBe(pem)
		await second.stop()
		chmodSync(caFolder, 0o755)
		const broken = mkdtempSync(join(folder, 'broken-'))
		writeFileSync(join(broken, 'ca.crt'), 'x')
		expect((await fails(['--port', '0', '--ca-folder', broken])).err).toContain('has no ca.key beside it')
		writeFileSync(join(broken, 'ca.key'), 'x')
		expect((await fails(['--port', '0', '--ca-folder', broken])).err).toContain(`the CA in ${broken} cannot be read`)
		expect(readFileSync(join(broken, 'ca.crt'), 'utf8')).toBe('x')
	})

	it('explains itself with --help, every option of it', async () => {
		const { code, out } = await fails(['--help'])
		expect(code).toBe(0)
		for (const option of [
			'vault',
			'port',
			'host',
			'control-port',
			'control-host',
			'names',
			'tenant',
			'ca-folder',
			'state',
			'env',
			'federate',
			'federate-kubeconfig',
			'federate-in-cluster',
		]) {
			expect(out).toContain(`--${option}`)
		}
	})

	it.each([
		[['--nonsense'], /nonsense/],
		[['--port', 'x'], /--port is a port number/],
		[['--names', 'mine'], /--names is test or production/],
		[['--vault', 'Bad_Name'], /--vault is 3-24/],
		[['--federate', 'http://x'], /--federate is an https URL/],
		[['--env', '--names', 'test'], /--env works with the production names/],
	])('refuses %j and points to --help', async (args, message) => {
		expect(() => parseCli(args)).toThrow(UsageError)
		expect(() => parseCli(args)).toThrow(message)
	})

	it('exits with 2 for a wrong command line', async () => {
		expect(await fails(['--nonsense'])).toMatchObject({
			code: 2,
			err: expect.stringContaining('Try --help.') as unknown,
		})
	})

	it('says what --federate-in-cluster and --federate-kubeconfig need when it is not there', async () => {
		const environment = { KUBERNETES_SERVICE_HOST: '', KUBERNETES_SERVICE_PORT: '' }
		const { child, err } = launch(['--port', '0', '--ca-folder', caFolder, '--federate-in-cluster'], environment)
		expect(await once(child, 'close')).toEqual([1, null])
		expect(err()).toContain('works only in a pod')
		await expect(kubeconfigIssuer('x', join(folder, 'no-kubectl'))).rejects.toThrow('needs kubectl')
	})

	it('reads issuer and keys of a kubeconfig through kubectl', async () => {
		// A kubectl of three lines: the real one against a real cluster is in the integration tests.
		const kubectl = join(folder, 'kubectl')
		writeFileSync(
			kubectl,
			`#!/bin/sh\ntest "$*" = "--kubeconfig kc get --raw /.well-known/openid-configuration" && echo '{"issuer":"https://cluster"}' && exit\ntest "$*" = "--kubeconfig kc get --raw /openid/v1/jwks" && echo '{"keys":[{"kty":"RSA","kid":"1"}]}' && exit\necho refused >&2; exit 1\n`,
			{ mode: 0o755 },
		)
		expect(await kubeconfigIssuer('kc', kubectl)).toEqual({
			issuer: 'https://cluster',
			jwks: { keys: [{ kty: 'RSA', kid: '1' }] },
		})
		await expect(kubeconfigIssuer('other', kubectl)).rejects.toThrow('refused')
	})
})
