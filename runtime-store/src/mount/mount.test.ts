import { execFile, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { MANIFEST_FILE } from '../manifest/index.ts'
import { AtomicWriter } from '../testing/atomic-writer.ts'
import { Mount, type MountOptions, type MountProblem } from './mount.ts'
import { readMount } from './read.ts'
import type { MountSnapshot } from './snapshot.ts'
import { rootOf, watchDirectory } from './watch.ts'

/** Some machines forbid user namespaces. */
const mayUnshare =
	spawnSync('unshare', ['-U', '-r', 'sh', '-c', 'echo 0 > /proc/sys/user/max_inotify_instances']).status === 0

let folder: string
let path: string
const mounts: Mount[] = []

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'asb-mount-'))
	path = join(folder, 'mount')
})
afterEach(async () => {
	await Promise.all(mounts.splice(0).map((mount) => mount.close()))
	await rm(folder, { recursive: true, force: true })
})

function follow(options: Partial<MountOptions> = {}) {
	const problems: Array<MountProblem | undefined> = []
	const contents: Array<Record<string, string | undefined>> = []
	const mount = new Mount({
		path,
		clock: systemClock,
		read: readMount,
		turn: () => Promise.resolve(),
		resolve: rootOf,
		watch: watchDirectory,
		pollMs: 20,
		trim: false,
		absentIsFine: false,
		onSnapshot: (snapshot) => contents.push(textsOf(snapshot)),
		onProblem: (_path, problem) => problems.push(problem),
		onFlaw: () => {},
		onWatchLost: () => {},
		...options,
	})
	mounts.push(mount)
	return { mount, problems, contents }
}

const textsOf = (snapshot: MountSnapshot) =>
	Object.fromEntries([...snapshot.secrets.values()].map(({ name, text }) => [name, text]))

describe('reading a generation', () => {
	it('never mixes two generations, while they are swapped as fast as can be', async () => {
		const names = Array.from({ length: 8 }, (_, i) => `key-${i}`)
		const writer = new AtomicWriter(path)
		const write = (n: number) => writer.write(Object.fromEntries(names.map((name) => [name, `${n}`])))
		await write(0)
		let writing = true
		const writes = (async () => {
			for (let n = 1; n <= 300; n++) await write(n)
			writing = false
		})()
		let [reads, torn, last] = [0, 0, 0]
		while (writing && reads < 100_000) {
			const read = await readMount(path)
			if (read.kind !== 'generation') throw new Error(read.kind)
			const values = new Set([...read.files.values()].map(String))
			if (read.files.size !== names.length || values.size !== 1) torn += 1
			const value = Number([...values][0])
			if (value < last) torn += 1
			last = value
			reads += 1
		}
		await writes
		expect(torn).toBe(0)
		expect(reads).toBeGreaterThan(50)
	}, 30_000)

	it('sees the last of many bursts, by events alone', async () => {
		const writer = new AtomicWriter(path)
		await writer.write({ n: '0' })
		// An hour: the poll cannot help.
		const { mount } = follow({ pollMs: 3_600_000 })
		await mount.start()
		for (let burst = 0; burst < 20; burst++) {
			const last = `${burst}-3`
			for (const i of [1, 2, 3]) await writer.write({ n: `${burst}-${i}` })
			await expect.poll(() => mount.snapshot?.secrets.get('n')?.text, { interval: 5 }).toBe(last)
		}
	}, 60_000)

	it('takes no generation before it is committed, nor what a died writer left', async () => {
		const { mount, problems } = follow()
		await mkdir(join(path, '..2026'), { recursive: true })
		await writeFile(join(path, '..2026', 'a'), 'half')
		await symlink('..2026', join(path, '..data_tmp'))
		await mount.start()
		expect(mount.snapshot).toBeUndefined()
		expect(problems).toStrictEqual(['empty'])
		await new AtomicWriter(path).write({ a: 'whole' })
		await expect.poll(() => mount.snapshot?.secrets.get('a')?.text).toBe('whole')
	})
})

describe('plain directories', () => {
	it('follows files that are changed, added and removed in place', async () => {
		await mkdir(path)
		await writeFile(join(path, 'a'), '1')
		await mkdir(join(path, 'sub'))
		const { mount } = follow()
		await mount.start()
		expect(mount.snapshot).toMatchObject({ kind: 'plain', manifestState: 'none' })
		await writeFile(join(path, 'a'), '2')
		await writeFile(join(path, 'b'), 'new')
		await expect.poll(() => mount.snapshot && textsOf(mount.snapshot)).toStrictEqual({ a: '2', b: 'new' })
		await rm(join(path, 'a'))
		await expect.poll(() => mount.snapshot && textsOf(mount.snapshot)).toStrictEqual({ b: 'new' })
	})

	it('becomes a mounted directory when a writer takes it over', async () => {
		await mkdir(path)
		await writeFile(join(path, 'a'), 'plain')
		const { mount } = follow()
		await mount.start()
		await rm(join(path, 'a'))
		await new AtomicWriter(path).write({ a: 'mounted' })
		await expect.poll(() => mount.snapshot?.kind).toBe('generation')
		expect(mount.snapshot?.secrets.get('a')?.text).toBe('mounted')
	})
})

describe('manifests that cannot be used', () => {
	it.each([
		['unknownSchema', '{"schema":2,"secrets":{"a":{"objectName":"x"}}}'],
		['invalid', '{"schema":1}'],
		['invalid', 'no json'],
	])('reads the plain files, and says %s', async (state, text) => {
		await new AtomicWriter(path).write({ a: '1', [MANIFEST_FILE]: text })
		const { mount } = follow()
		await mount.start()
		expect(mount.snapshot?.manifestState).toBe(state)
		expect(mount.snapshot && textsOf(mount.snapshot)).toStrictEqual({ a: '1' })
	})
})

describe('trouble', () => {
	it('keeps the last good snapshot when the directory vanishes, is emptied, or cannot be read, and tells each once', async () => {
		const writer = new AtomicWriter(path)
		await writer.write({ a: 'good' })
		const { mount, problems, contents } = follow()
		await mount.start()
		await rename(path, join(folder, 'away'))
		await expect.poll(() => mount.problem).toBe('missing')
		await mkdir(path)
		await expect.poll(() => mount.problem).toBe('empty')
		await rm(path, { recursive: true })
		await rename(join(folder, 'away'), path)
		await expect.poll(() => mount.problem).toBeUndefined()
		// A link to nowhere stays half a mount: the directory it names never comes.
		await rm(join(path, '..data'))
		await symlink('..nowhere', join(path, '..data'))
		await expect.poll(() => mount.problem).toBe('unreadable')
		expect(mount.snapshot?.secrets.get('a')?.text).toBe('good')
		await rm(path, { recursive: true })
		await writer.write({ a: 'better' })
		await expect.poll(() => mount.snapshot?.secrets.get('a')?.text).toBe('better')
		expect(problems.filter((problem) => problem === 'unreadable')).toHaveLength(1)
		expect(contents.at(-1)).toStrictEqual({ a: 'better' })
	}, 20_000)

	it.skipIf(process.getuid?.() === 0)('says unreadable when permissions are missing', async () => {
		await new AtomicWriter(path).write({ a: 'good' })
		const { mount } = follow()
		await mount.start()
		await chmod(path, 0o000)
		await expect.poll(() => mount.problem).toBe('unreadable')
		await chmod(path, 0o755)
	})

	it.skipIf(!mayUnshare)(
		'looks by time, and says so, when the node has no inotify instance left',
		async () => {
			const script = `
			import { createTestStore } from ${JSON.stringify(join(import.meta.dirname, '../testing/index.ts'))}
			const test = await createTestStore({ a: '1' }, { pollMs: 20 })
			await test.rotate('a', '2')
			console.log((await test.store.getSecret('a')).a, test.store.status().mounts[0].watching)
			await test.destroy()`
			// In a user namespace of its own the limit can be none without anybody else noticing.
			const shell = `echo 0 > /proc/sys/user/max_inotify_instances && exec "$0" --input-type=module -e "$1"`
			const run = promisify(execFile)('unshare', ['-U', '-r', 'sh', '-c', shell, process.execPath, script], {
				timeout: 20_000,
			})
			expect((await run).stdout).toBe('2 false\n')
		},
		30_000,
	)
})
