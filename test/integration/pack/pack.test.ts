// What a user of the published packages gets: the tarball, installed into an empty project, imported, typed, run.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../../..')
const BIN = join(ROOT, 'node_modules/.bin')
/** Milliseconds: an install of some ten packages from a cold npm cache. */
const INSTALL_MS = 240_000

/** Runs a program; its output is in the error when it fails. */
async function run(file: string, args: readonly string[], cwd: string): Promise<string> {
	try {
		const { stdout } = await promisify(execFile)(file, [...args], {
			cwd,
			timeout: INSTALL_MS,
			maxBuffer: 16 * 1024 * 1024,
		})
		return stdout
	} catch (error) {
		const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string }
		throw new Error(`${message}\n${stdout}\n${stderr}`, { cause: error })
	}
}
const npm = (args: readonly string[], cwd: string) =>
	run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], cwd)

interface Packed {
	filename: string
	files: Array<{ path: string }>
}
const pack = async (workspace: string, destination: string): Promise<Packed> => {
	// What an earlier build left would be packed as well.
	rmSync(join(ROOT, workspace, 'dist'), { recursive: true, force: true })
	const printed = await npm(['pack', '--json', '--pack-destination', destination, '--workspace', workspace], ROOT)
	// What the build script prints may come first.
	const answer = JSON.parse(printed.slice(printed.search(/^[[{]/m))) as Packed[] | Record<string, Packed>
	const [packed] = Object.values(answer)
	if (!packed) throw new Error(`npm pack ${workspace} answered nothing`)
	return packed
}

const TSCONFIG = {
	compilerOptions: {
		module: 'nodenext',
		target: 'es2024',
		lib: ['es2024', 'esnext.disposable'],
		strict: true,
		noEmit: true,
		skipLibCheck: true,
		types: ['node'],
	},
	include: ['*.ts'],
}

/** The npm package `node` of a version, in a folder of its own. @returns its program */
async function oldNode(version: string): Promise<string> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-node-'))
	folders.push(folder)
	writeFileSync(join(folder, 'package.json'), '{"private":true}')
	await npm(['install', '--prefer-offline', `node@${version}`], folder)
	return join(folder, 'node_modules/node/bin/node')
}
const folders: string[] = []
afterAll(() => {
	for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** An empty project with the tarball and `dependencies`, and the workspace's stand-in for @purista/harness. */
async function project(folder: string, tarball: string, dependencies: Record<string, string>): Promise<void> {
	cpSync(join(ROOT, 'test/stubs/purista-harness'), join(folder, 'purista-harness'), { recursive: true })
	const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
		devDependencies: Record<string, string>
	}
	const manifest = {
		name: 'empty-project',
		private: true,
		type: 'module',
		dependencies,
		devDependencies: { '@types/node': devDependencies['@types/node'] },
		overrides: { '@purista/harness': 'file:./purista-harness' },
	}
	writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
	writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG))
	await npm(['install', '--prefer-offline', tarball], folder)
}

describe.each([
	{
		workspace: 'runtime-store',
		dependencies: { '@purista/core': '3.2.4', '@opentelemetry/api': '^1.9.0' },
		program: `
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DefaultEventBridge, initLogger, type SecretStore } from '@purista/core'
import { AzureMountedSecretStore, type StoreStatus } from 'purista-azure-mounted-secret-store'
import { type Manifest, parseManifest, serializeManifest } from 'purista-azure-mounted-secret-store/manifest'

// The layout of a secret volume, as the kubelet writes it.
const mountPath = join(import.meta.dirname, 'mount')
await mkdir(join(mountPath, '..1'), { recursive: true })
await writeFile(join(mountPath, '..1', 'apiKey'), 'from the mount')
await symlink('..1', join(mountPath, '..data'))
await symlink(join('..data', 'apiKey'), join(mountPath, 'apiKey'))

const store = new AzureMountedSecretStore({ mountPath, logger: initLogger('error') })
const asAny: SecretStore = store
await store.ready()
const { apiKey } = await asAny.getSecret('apiKey')
const status: StoreStatus = store.status()
await store.destroy()

const manifest: Manifest = { schema: 1, revision: 1, binding: { namespace: 'a', name: 'b', uid: 'c' }, vault: 'https://v.vault.azure.net', selectors: [], secrets: {} }
const parsed = parseManifest(serializeManifest(manifest))
console.log(JSON.stringify({ apiKey, ready: status.ready, parsed: parsed.kind, bridge: typeof DefaultEventBridge }))
`,
		// A value of another type than the declared one has to be an error, or the types are \`any\`.
		wrong: `
import { AzureMountedSecretStore } from 'purista-azure-mounted-secret-store'
new AzureMountedSecretStore({ mountPath: 5 })
`,
		printed: { apiKey: 'from the mount', ready: true, parsed: 'ok', bridge: 'function' },
		// The oldest Node that `engines` allows, and a program that is no module.
		older: {
			node: '22.22.0',
			program: `
const { initLogger } = require('@purista/core')
const { AzureMountedSecretStore } = require('purista-azure-mounted-secret-store')
const store = new AzureMountedSecretStore({ mountPath: 'mount', logger: initLogger('error') })
store.ready().then(() => store.getSecret('apiKey')).then(async (answer) => {
	await store.destroy()
	console.log(JSON.stringify({ ...answer, node: process.version }))
})
`,
			printed: { apiKey: 'from the mount', node: 'v22.22.0' },
		},
	},
	{
		workspace: 'test/emulator',
		dependencies: { '@azure/identity': '^4.14.1', '@azure/keyvault-secrets': '^4.12.0' },
		program: `
import { startEmulator, type Emulator } from 'azure-key-vault-emulator'

const emulator: Emulator = await startEmulator({ host: '127.0.0.1', port: 0, control: { host: '127.0.0.1', port: 0 }, names: 'test', vaults: ['payments'] })
const { version } = await emulator.control.setSecret({ vault: 'payments', name: 'a', value: 'b' })
const { value } = await emulator.control.getSecret({ vault: 'payments', name: 'a' })
await emulator.close()
console.log(JSON.stringify({ url: emulator.vaultUrl('payments'), version: /^[0-9a-f]{32}$/.test(version), value }))
`,
		wrong: `
import { startEmulator } from 'azure-key-vault-emulator'
await startEmulator({ port: 'x' })
`,
		printed: { url: expect.stringContaining('payments.vault.emu.test') as string, version: true, value: 'b' },
		older: undefined,
	},
])('the package of $workspace', ({ workspace, dependencies, program, wrong, printed, older }) => {
	let folder: string
	let packed: Packed
	beforeAll(async () => {
		folder = mkdtempSync(join(tmpdir(), 'asb-pack-'))
		packed = await pack(workspace, folder)
		await project(folder, `./${packed.filename}`, dependencies)
	}, INSTALL_MS)
	afterAll(() => rmSync(folder, { recursive: true, force: true }))

	it('holds what is built and nothing else', () => {
		const paths = packed.files.map(({ path }) => path)
		expect(paths).toContain('dist/index.js')
		expect(paths).toContain('dist/index.d.ts')
		expect(
			paths.filter(
				(path) => !/^(package\.json|[A-Z]+\.md|LICENSE|dist\/.*\.(js|d\.ts)|dist\/page\/page\.html)$/.test(path),
			),
		).toEqual([])
		expect(paths.filter((path) => path.includes('.test.'))).toEqual([])
	})

	it('works in an empty project, types included', async () => {
		writeFileSync(join(folder, 'program.ts'), program)
		await run(join(BIN, 'tsc'), ['-p', '.'], folder)
		const lines = (await run(process.execPath, ['program.ts'], folder)).trim().split('\n')
		expect(JSON.parse(lines.at(-1) ?? '')).toEqual(printed)
	})

	it.runIf(older)('works by require, on the oldest Node that it allows', { timeout: INSTALL_MS }, async () => {
		if (!older) return
		const node = await oldNode(older.node)
		writeFileSync(join(folder, 'program.cjs'), older.program)
		const lines = (await run(node, ['program.cjs'], folder)).trim().split('\n')
		expect(JSON.parse(lines.at(-1) ?? '')).toEqual(older.printed)
	})

	it('has types that refuse what is wrong', async () => {
		writeFileSync(join(folder, 'wrong.ts'), wrong)
		await expect(run(join(BIN, 'tsc'), ['-p', '.'], folder)).rejects.toThrow(/wrong\.ts\(\d+,\d+\): error TS2322/)
	})

	it('passes publint', async () => {
		await run(join(BIN, 'publint'), ['run', '--strict', join(folder, packed.filename)], ROOT)
	})
})
