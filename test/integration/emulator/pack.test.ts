// The published package: `npx` of the packed tarball in an empty folder starts it, on the oldest Node it promises
// and on ours.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { arch, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { emulatorControl } from 'azure-key-vault-emulator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cacheFolder } from '../../cluster/index.ts'
import { registrySettings } from './registry.ts'

const run = promisify(execFile)
const PACKAGE = join(import.meta.dirname, '../../emulator')

/** Folder with a `node` of the version: from the npm package of this machine's architecture, kept in the cache. */
async function nodeFolder(version: string): Promise<string> {
	const name = `node-linux-${arch()}`
	const folder = join(cacheFolder(), `${name}-${version}`)
	if (!existsSync(folder)) {
		const part = `${folder}.part-${process.pid}`
		await mkdir(part, { recursive: true })
		await run('npm', ['pack', '--silent', '--pack-destination', part, `${name}@${version}`], { timeout: 240_000 })
		const [tarball = ''] = await readdir(part)
		await run('tar', ['-xzf', join(part, tarball), '-C', part, 'package/bin/node'])
		await rename(join(part, 'package/bin'), folder)
		await rm(part, { recursive: true })
	}
	return folder
}

/** Ends a process and what it started: npx has the emulator as a child. */
function endGroup(child: ChildProcess): void {
	try {
		if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
	} catch {
		// It has ended by itself.
	}
}

describe('the packed tarball', () => {
	let folder: string
	let tarball: string
	beforeAll(async () => {
		folder = await mkdtemp(join(tmpdir(), 'emulator-pack-'))
		const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], { cwd: PACKAGE })
		// `prepack` may print before the JSON.
		const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as Array<{
			filename: string
			files: Array<{ path: string }>
		}>
		tarball = join(folder, packed?.filename ?? '')
		const files = packed?.files.map(({ path }) => path) ?? []
		expect(files).toEqual(
			expect.arrayContaining([
				'README.md',
				'LICENSE',
				'package.json',
				'dist/cli.js',
				'dist/index.js',
				'dist/index.d.ts',
			]),
		)
		expect(
			files.filter(
				(path) => !/^(README\.md|LICENSE|package\.json|dist\/.*\.(js|d\.ts)|dist\/page\/page\.html)$/.test(path),
			),
		).toEqual([])
		expect(files.filter((path) => path.includes('.test.'))).toEqual([])
	})
	afterAll(() => rm(folder, { recursive: true, force: true }))

	it.each(['22.19.0', 'ours'])(
		'starts with npx in an empty folder on Node %s',
		{ timeout: 300_000 },
		async (version) => {
			const bin = version === 'ours' ? dirname(process.execPath) : await nodeFolder(version)
			const empty = await mkdtemp(join(folder, 'empty-'))
			const args = [
				'--yes',
				`--package=${tarball}`,
				'azure-key-vault-emulator',
				'--port',
				'0',
				'--vault',
				'payments',
				'--ca-folder',
				join(empty, 'ca'),
			]
			const child = spawn('npx', args, {
				cwd: empty,
				detached: true,
				// The variables of an npm that runs these tests would point npx to our own repository.
				env: {
					PATH: `${bin}${delimiter}${process.env['PATH']}`,
					HOME: process.env['HOME'],
					npm_config_cache: join(folder, 'npm-cache'),
					...registrySettings(),
				},
			})
			let [out, err] = ['', '']
			child.stdout.on('data', (chunk: Buffer) => {
				out += chunk.toString()
			})
			child.stderr.on('data', (chunk: Buffer) => {
				err += chunk.toString()
			})
			try {
				await expect
					.poll(() => (child.exitCode === null ? out : `ended: ${err}`), { timeout: 200_000, interval: 100 })
					.toMatch(/\n|ended/)
				expect(out, err).not.toBe('')
				const ready = JSON.parse(out) as { control: string; vaults: Record<string, string>; caFile: string }
				expect(Object.keys(ready.vaults)).toEqual(['payments'])
				const control = emulatorControl(ready.control)
				await control.setSecret({ vault: 'payments', name: 'packed', value: 'v' })
				expect((await control.getSecret({ vault: 'payments', name: 'packed' })).value).toBe('v')
				expect(await (await fetch(ready.control)).text()).toContain('<title>Key Vault emulator</title>')
				expect(await readFile(ready.caFile, 'utf8')).toContain('BEGIN CERTIFICATE')
				const versions = await run(join(bin, 'node'), ['--version'])
				expect(versions.stdout.trim()).toBe(version === 'ours' ? process.version : `v${version}`)
			} finally {
				endGroup(child)
			}
		},
	)
})
