import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
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

it('a write that fails keeps none of the others', async () => {
	const memory = createNodeMemory(64 * 1024 * 1024)
	await expect(memory.inTurn(() => Promise.reject(new Error('full')))).rejects.toThrow('full')
	expect(await memory.inTurn(async () => 'well')).toBe('well')
})
