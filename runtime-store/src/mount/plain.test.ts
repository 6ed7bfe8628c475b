import { execFile, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { initLogger } from '@purista/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AzureMountedSecretStore, type AzureMountedSecretStoreConfig } from '../index.ts'
import { AtomicWriter } from '../testing/atomic-writer.ts'
import { isSubPath } from './sub-path.ts'

/** Mounting needs rights that some machines do not give. */
const mayMount = spawnSync('unshare', ['-m', 'true']).status === 0

let folder: string
let path: string
const stores: AzureMountedSecretStore[] = []
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'asb-plain-'))
	path = join(folder, 'secrets')
	await mkdir(path)
	await writeFile(join(path, 'good'), 'one')
})
afterEach(async () => {
	await Promise.all(stores.splice(0).map((store) => store.destroy()))
	await rm(folder, { recursive: true, force: true })
})

function open(config: Partial<AzureMountedSecretStoreConfig> = {}) {
	const warnings: unknown[] = []
	const store = new AzureMountedSecretStore({ mountPath: path, pollMs: 20, logger: initLogger('fatal'), ...config })
	Object.assign(store.logger, { warn: (fields: unknown) => void warnings.push(fields) })
	stores.push(store)
	return { store, warnings }
}

it.each([
	['a link to nowhere', 'ENOENT', () => symlink('nowhere', join(path, 'bad'))],
	['a loop of links', 'ELOOP', () => symlink('bad', join(path, 'bad'))],
	['a link that leaves the directory', 'outside', () => symlink('/etc/hostname', join(path, 'bad'))],
	[
		'a file of more than 4 MiB',
		'tooLarge',
		async () => {
			await writeFile(join(path, 'bad'), '')
			await truncate(join(path, 'bad'), 4 * 1_048_576 + 1)
		},
	],
])('serves the rest beside %s, names the file, and does not ask a vault for it', async (_what, fault, make) => {
	await make()
	const { store, warnings } = open()
	expect(await store.getSecret('good')).toStrictEqual({ good: 'one' })
	await expect(store.getSecret('bad')).rejects.toMatchObject({ errorCode: 503, data: { reason: 'Unreadable' } })
	expect(store.status().mounts[0]).toMatchObject({ problem: undefined, faults: { bad: fault } })
	expect(warnings).toStrictEqual([{ mountPath: path, files: { bad: fault } }])
	await rm(join(path, 'bad'))
	await writeFile(join(path, 'bad'), 'mended')
	await expect.poll(() => store.getSecret('bad').catch(() => undefined)).toStrictEqual({ bad: 'mended' })
	expect(store.status().mounts[0]?.faults).toStrictEqual({})
})

it('serves the rest beside a file without permission, and says which directory it may not read', async () => {
	const closed = join(folder, 'closed')
	await mkdir(closed)
	await writeFile(join(closed, 'good'), 'one')
	await writeFile(join(path, 'bad'), 'closed')
	for (const [each, mode] of [
		[folder, 0o755],
		[closed, 0],
		[join(path, 'bad'), 0],
	] as const)
		await chmod(each, mode)
	// Nothing is closed to root: then a process of its own becomes nobody, when all code is loaded.
	const script = `
		import { AzureMountedSecretStore } from ${JSON.stringify(join(import.meta.dirname, '../index.ts'))}
		if (process.getuid() === 0) process.seteuid(65534)
		const failure = (call) => call.then(() => 'none', (error) => error.message)
		const open = (mountPath) => new AzureMountedSecretStore({ mountPath, readyTimeoutMs: 50, logLevel: 'fatal' })
		const [one, other] = process.argv.slice(1).map(open)
		for (const store of [one, other]) {
			await store.isReady()
			const looked = () => store.status().mounts.every(({ loaded, problem }) => loaded || problem)
			while (!looked()) await new Promise((resolve) => setTimeout(resolve, 5))
		}
		const { good } = await one.getSecret('good')
		console.log(JSON.stringify({
			good, bad: await failure(one.getSecret('bad')), faults: one.status().mounts[0].faults, closed: await failure(other.getSecret('good')),
		}))
		await Promise.all([one.destroy(), other.destroy()])`
	const args = ['--input-type=module', '-e', script, path, closed]
	const { stdout } = await promisify(execFile)(process.execPath, args)
	await chmod(closed, 0o700)
	const seen = JSON.parse(stdout) as Record<string, unknown>
	expect(seen).toMatchObject({ good: 'one', faults: { bad: 'EACCES' } })
	expect(seen['bad']).toContain('cannot be read')
	expect(seen['closed']).toContain(`${closed} cannot be read (EACCES)`)
}, 20_000)

it('keeps the last bytes of a file that cannot be read any more', async () => {
	await writeFile(join(path, 'other'), 'one')
	const { store } = open()
	expect(await store.getSecret('good')).toStrictEqual({ good: 'one' })
	await rm(join(path, 'good'))
	await symlink('nowhere', join(path, 'good'))
	await expect.poll(() => store.status().mounts[0]?.faults).toStrictEqual({ good: 'ENOENT' })
	expect(await store.getSecret('good')).toStrictEqual({ good: 'one' })
})

it('follows links that stay in the directory', async () => {
	await symlink('good', join(path, 'other'))
	expect(await open().store.getSecret('other')).toStrictEqual({ other: 'one' })
})

it('cuts white space of plain files when told to, and never of a volume', async () => {
	await writeFile(join(path, 'edited'), ' value\r\n')
	expect(await open().store.getSecret('edited')).toStrictEqual({ edited: ' value\r\n' })
	const { store } = open({ trim: true })
	expect(await store.getSecret('edited')).toStrictEqual({ edited: 'value' })
	expect((await store.getSecretBytes('edited')).edited?.toString()).toBe(' value\r\n')
	const volume = join(folder, 'volume')
	await new AtomicWriter(volume).write({ exact: 'value\n' })
	expect(await open({ mountPath: volume, trim: true }).store.getSecret('exact')).toStrictEqual({ exact: 'value\n' })
})

it('knows the list of mounts of a container with subPath, with and without spaces in the path', () => {
	const line = (root: string, point: string) => `66 44 0:39 ${root} ${point} rw,relatime - tmpfs t rw`
	const root = '/..2026_11_28_19_00_00.123/db'
	expect(isSubPath('/secrets', line(root, '/secrets/db'))).toBe(true)
	expect(isSubPath('/my secrets', line(root, '/my\\040secrets/db'))).toBe(true)
	expect(isSubPath('/secrets', line('/', '/secrets'))).toBe(false)
	expect(isSubPath('/secrets', line(root, '/secrets-of-others/db'))).toBe(false)
	expect(isSubPath('/secrets', line('/home/..x/db', '/secrets/db'))).toBe(false)
})

it.skipIf(!mayMount)(
	'says in status() that files are mounted by subPath',
	async () => {
		const volume = join(folder, 'volume')
		const generation = await new AtomicWriter(volume).write({ good: 'mounted' })
		const script = `
		import { AzureMountedSecretStore } from ${JSON.stringify(join(import.meta.dirname, '../index.ts'))}
		const store = new AzureMountedSecretStore({ mountPath: ${JSON.stringify(path)}, logLevel: 'fatal' })
		const { good } = await store.getSecret('good')
		console.log(good, store.status().mounts[0].subPath)
		await store.destroy()`
		const shell = `mount --bind "$0/${generation}/good" "$1/good" && exec "$2" --input-type=module -e "$3"`
		const run = await promisify(execFile)('unshare', ['-m', 'sh', '-c', shell, volume, path, process.execPath, script])
		expect(run.stdout).toBe('mounted true\n')
		expect(open().store.status().mounts[0]?.subPath).toBe(false)
	},
	20_000,
)
