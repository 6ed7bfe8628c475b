import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Manifest } from 'purista-azure-mounted-secret-store/manifest'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../process/clock.ts'
import { createWriterLock, type WriterLock } from '../mount/lock.ts'
import { createNodeMemory } from './memory.ts'
import { createVolumeDestination } from './volume-destination.ts'

let root: string
let lock: WriterLock
beforeEach(() => {
	root = mkdtempSync('/dev/shm/asb-volume-')
	lock = createWriterLock(join(root, '.lock'), systemClock)
})
afterEach(() => {
	lock.close()
	rmSync(root, { recursive: true, force: true })
})

const { signal } = new AbortController()
const manifest: Manifest = {
	schema: 1,
	revision: 1,
	binding: { namespace: 'team', name: 'payments', uid: 'uid' },
	vault: 'https://payments.vault.azure.net',
	selectors: [],
	secrets: {},
}
/** More than are written in one turn of the event loop. */
const files = (value: string) => new Map(Array.from({ length: 250 }, (_, i) => [`file-${i}`, value]))

it('of volumes that change in one moment one at most has both of its generations', async () => {
	const memory = createNodeMemory(64 * 1024 * 1024)
	const volumes = Array.from({ length: 8 }, (_, i) => {
		const path = join(root, `csi-${i}`, 'data')
		const options = { volumeId: `csi-${i}`, path, group: undefined, mode: undefined, memory, lock }
		const place = createVolumeDestination({ ...options, mayWrite: async () => true, clock: systemClock })
		const write = async (value: string) => {
			const back = await place.readBack(signal)
			const on = back.kind === 'ours' ? back.holding : undefined
			return (await place.write({ set: files(value), drop: [], manifest, on, create: true }, signal)).kind
		}
		return { path, write }
	})
	for (const { write } of volumes) expect(await write('first')).toBe('written')
	const generationsIn = (path: string) => readdirSync(path).filter((name) => /^\.\.\d/.test(name)).length
	let isOver = false
	let most = 0
	const watching = async () => {
		for (; !isOver; await nextTurn())
			most = Math.max(most, volumes.filter(({ path }) => generationsIn(path) > 1).length)
	}
	const watched = watching()
	const written = await Promise.all(volumes.map(({ write }) => write('second')))
	isOver = true
	await watched
	expect(written).toEqual(volumes.map(() => 'written'))
	expect(most).toBe(1)
})

it('of the memory of a node a volume has what the kernel takes for its files, however small they are', async () => {
	const memory = createNodeMemory(2 * 1024 * 1024)
	const write = (volumeId: string, set: ReadonlyMap<string, string>) => {
		const path = join(root, volumeId, 'data')
		const options = { volumeId, path, group: undefined, mode: undefined, memory, lock }
		const place = createVolumeDestination({ ...options, mayWrite: async () => true, clock: systemClock })
		return place.write(change(set), signal)
	}
	const sizes = [0, 1, 4_096, 4_097, 25_600]
	await write('csi-sizes', new Map(sizes.map((size) => [`of-${size}`, 'x'.repeat(size)])))
	const generation = join(root, 'csi-sizes/data/..data')
	const blocks = readdirSync(generation).reduce((sum, name) => sum + statSync(join(generation, name)).blocks * 512, 0)
	expect(memory.bytes).toBeGreaterThan(blocks)
	// 250 values of a byte are a megabyte and a half, so a second volume of them is refused.
	expect((await write('csi-1', files('x'))).kind).toBe('written')
	expect(await write('csi-2', files('x'))).toMatchObject({ kind: 'refused', reason: 'SecretTooLarge', lasting: false })
})

it('a write that fails keeps none of the others', async () => {
	const memory = createNodeMemory(64 * 1024 * 1024)
	await expect(memory.inTurn(() => Promise.reject(new Error('full')))).rejects.toThrow('full')
	expect(await memory.inTurn(async () => 'well')).toBe('well')
})

const place = (more: { group?: number; mode?: number; limit?: number } = {}) => {
	const memory = createNodeMemory(more.limit ?? 64 * 1024 * 1024)
	const path = join(root, 'csi-1', 'data')
	const options = { volumeId: 'csi-1', path, group: more.group, mode: more.mode, memory, lock }
	return { path, destination: createVolumeDestination({ ...options, mayWrite: async () => true, clock: systemClock }) }
}
const change = (set: ReadonlyMap<string, string>) => ({ set, drop: [], manifest, on: undefined, create: true })

// Who is not root may only give files to a group of its own.
const GROUP = process.getuid?.() === 0 ? 2000 : (process.getgid?.() ?? 0)
const OWN_GROUP = process.getgid?.() ?? 0

it.each<[string, { group?: number; mode?: number }, string, string, number]>([
	['without a group everybody reads', {}, '755', '444', OWN_GROUP],
	['with a group that alone', { group: GROUP }, '750', '440', GROUP],
	['a mode of the binding counts before both', { group: GROUP, mode: 0o400 }, '750', '400', GROUP],
	['also without a group', { mode: 0o440 }, '755', '440', OWN_GROUP],
])('of files and folders: %s', async (_, options, folderMode, fileMode, gid) => {
	const { path, destination } = place(options)
	expect((await destination.write(change(files('x')), signal)).kind).toBe('written')
	const generation = join(path, readlinkSync(join(path, '..data')))
	const of = (name: string) => {
		const { mode, gid: group } = statSync(name)
		return [(mode & 0o777).toString(8), group]
	}
	for (const folder of [path, generation]) expect(of(folder)).toEqual([folderMode, gid])
	for (const name of ['file-0', '.binding.json']) expect(of(join(generation, name))).toEqual([fileMode, gid])
})

it.each<[string, (path: string) => void]>([
	['a link is missing', (path) => rmSync(join(path, 'file-0'))],
	['a link leads to what is gone', (path) => symlinkSync('..data/gone', join(path, 'gone'))],
	['the values of before are there', (path) => mkdirSync(join(path, '..2026_01_01_00_00_00.abcdef'))],
])(
	'what a write that failed after its commit has left is ended by the next pass, though nothing else is to be written: %s',
	async (_, leave) => {
		const { path, destination } = place()
		await destination.write(change(files('x')), signal)
		const names = readdirSync(path).filter((name) => !name.startsWith('..'))
		const again = async () => {
			const back = await destination.readBack(signal)
			if (back.kind !== 'ours') throw new Error('there is none')
			const { holding } = back
			return { ...change(new Map()), manifest: holding.manifest ?? manifest, on: holding }
		}
		expect(destination.rules.judge(await again())).toEqual({ kind: 'nothing' })
		leave(path)
		const next = await again()
		expect(destination.rules.judge(next)).toEqual({ kind: 'fits', files: true })
		expect((await destination.write(next, signal)).kind).toBe('written')
		const generation = readlinkSync(join(path, '..data'))
		expect(readdirSync(path).toSorted()).toEqual(['..data', generation, ...names].toSorted())
		expect(destination.rules.judge(await again())).toEqual({ kind: 'nothing' })
	},
)

it('more than a volume takes is refused with the sizes and the largest names, and nothing of it is written', async () => {
	const { path, destination } = place()
	const large = new Map([
		['small', 'x'],
		['largest', 'x'.repeat(3 * 1024 * 1024)],
		['large', 'x'.repeat(2 * 1024 * 1024)],
	])
	const text = /would have at least 52\d{5} bytes, and 4194304 are the most.*largest 3145728, large 2097152/
	expect(destination.rules.judge(change(large))).toMatchObject({
		kind: 'refused',
		reason: 'SecretTooLarge',
		message: expect.stringMatching(text) as string,
		lasting: true,
	})
	expect(await destination.write(change(large), signal)).toMatchObject({ kind: 'refused' })
	expect(existsSync(path)).toBe(false)
})
