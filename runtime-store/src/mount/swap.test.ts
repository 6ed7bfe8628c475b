import { spawn } from 'node:child_process'
import { renameSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initLogger } from '@purista/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AzureMountedSecretStore } from '../index.ts'
import { AtomicWriter } from '../testing/atomic-writer.ts'
import { readMount } from './read.ts'

let folder: string
const stores: AzureMountedSecretStore[] = []
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'asb-swap-'))
})
afterEach(async () => {
	await Promise.all(stores.splice(0).map((store) => store.destroy()))
	await rm(folder, { recursive: true, force: true })
})

function follow(mountPath: string, pollMs = 3_600_000): AzureMountedSecretStore {
	// An hour: the poll cannot help.
	const store = new AzureMountedSecretStore({ mountPath, pollMs, logger: initLogger('fatal') })
	stores.push(store)
	return store
}

describe('a directory that is replaced by another of the same name', () => {
	it.each(['volume', 'plain'])('goes on to be followed by events (%s)', async (kind) => {
		const mountPath = join(folder, 'mount')
		const put = async (directory: string, value: string) => {
			if (kind === 'volume') return void (await new AtomicWriter(directory).write({ a: value }))
			await mkdir(directory, { recursive: true })
			await writeFile(join(directory, 'a'), value)
		}
		await put(mountPath, '1')
		const store = follow(mountPath)
		const changed: string[] = []
		store.onChange(async () => void changed.push((await store.getSecret('a')).a ?? ''))
		await store.ready()
		await expect.poll(() => store.status().mounts[0]?.watching).toBe(true)
		for (const value of ['2', '3', '4', '5']) {
			const next = join(folder, `next-${value}`)
			await put(next, value)
			// Between the two calls nobody can look.
			renameSync(mountPath, join(folder, `old-${value}`))
			renameSync(next, mountPath)
			await expect.poll(async () => (await store.getSecret('a')).a).toBe(value)
			await put(mountPath, `${value} again`)
			await expect.poll(async () => (await store.getSecret('a')).a).toBe(`${value} again`)
		}
	})
})

describe('a swap', () => {
	it('is seen by its link alone: the number of keys makes no events', async () => {
		// Counts in a process of its own how often the watcher looks at something for a swap.
		const script = `
			import { readdirSync } from 'node:fs'
			import { watchDirectory } from ${JSON.stringify(join(import.meta.dirname, 'watch.ts'))}
			import { AtomicWriter } from ${JSON.stringify(join(import.meta.dirname, '../testing/atomic-writer.ts'))}
			const [directory, keys] = process.argv.slice(1)
			const writer = new AtomicWriter(directory)
			const write = (n) => writer.write(Object.fromEntries(Array.from({ length: Number(keys) }, (_, i) => ['key-' + i, n])))
			await write('0')
			// The watcher alone keeps no process alive.
			const alive = setInterval(() => {}, 1_000)
			let events = 0
			let ready
			const watching = new Promise((resolve) => { ready = resolve })
			let wake = () => {}
			const watch = watchDirectory(directory, 'swap', () => { events += 1; ready(); wake() }, (error) => { throw error })
			await watching
			events = 0
			for (const n of ['1', '2', '3', '4', '5']) {
				const seen = new Promise((resolve) => { wake = resolve })
				await write(n)
				await seen
			}
			await watch.close()
			clearInterval(alive)
			console.log(events)`
		const run = spawn(process.execPath, ['--input-type=module', '-e', script, join(folder, 'many'), '200'])
		const chunks: string[] = []
		run.stdout.on('data', (chunk) => chunks.push(String(chunk)))
		const code = await new Promise((resolve) => run.on('close', resolve))
		expect(code).toBe(0)
		expect(Number(chunks.join(''))).toBeGreaterThan(0)
		// Following each key's link there are more events than keys.
		expect(Number(chunks.join(''))).toBeLessThan(50)
	}, 20_000)

	it('is seen where the path is itself a link, and where a directory on the way is', async () => {
		const real = join(folder, 'real', 'mount')
		const writer = new AtomicWriter(real)
		await writer.write({ a: '1' })
		await symlink(join(folder, 'real'), join(folder, 'way'))
		await symlink(real, join(folder, 'link'))
		const both = [follow(join(folder, 'link')), follow(join(folder, 'way', 'mount'))]
		for (const store of both) expect(await store.getSecret('a')).toStrictEqual({ a: '1' })
		for (const value of ['2', '3', '4']) {
			await writer.write({ a: value })
			for (const store of both) await expect.poll(() => store.getSecret('a')).toStrictEqual({ a: value })
		}
	})

	it('is seen after the path came late, and after its link was turned to another directory', async () => {
		const path = join(folder, 'late')
		const store = follow(path, 50)
		const reading = store.getSecret('a')
		const [one, two] = [new AtomicWriter(join(folder, 'one')), new AtomicWriter(join(folder, 'two'))]
		await one.write({ a: '1' })
		await two.write({ a: '2' })
		await symlink(one.directory, path)
		expect(await reading).toStrictEqual({ a: '1' })
		await symlink(two.directory, join(folder, 'new'))
		await rename(join(folder, 'new'), path)
		await expect.poll(() => store.getSecret('a')).toStrictEqual({ a: '2' })
		await two.write({ a: '3' })
		await expect.poll(() => store.getSecret('a')).toStrictEqual({ a: '3' })
		expect(store.status().mounts[0]?.watching).toBe(true)
	})

	it('is refused where the generation itself is a link out of the mount', async () => {
		const [mount, outside] = [join(folder, 'mount'), join(folder, 'outside')]
		await mkdir(mount)
		await mkdir(outside)
		await writeFile(join(outside, 'a'), 'not ours')
		await symlink(outside, join(mount, '..gen'))
		await symlink('..gen', join(mount, '..data'))
		await expect(readMount(mount)).rejects.toThrow('outside')
	})

	it('is not followed out of the mount', async () => {
		const outside = join(folder, 'outside')
		await mkdir(outside)
		await writeFile(join(outside, 'a'), 'not ours')
		const path = join(folder, 'mount')
		await mkdir(path)
		await symlink('../outside', join(path, '..data'))
		const store = new AzureMountedSecretStore({ mountPath: path, readyTimeoutMs: 50, logger: initLogger('fatal') })
		stores.push(store)
		await expect(store.getSecret('a')).rejects.toMatchObject({ data: { reason: 'NotReady' } })
		await expect.poll(() => store.status().mounts[0]?.problem).toBe('unreadable')
	})
})
