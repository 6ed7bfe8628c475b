import { lstatSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createSymlinkStrategy } from './strategy.ts'

let folder: string
beforeEach(() => {
	folder = mkdtempSync('/dev/shm/asb-strategy-')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('a node whose directory is no tmpfs cannot be served, and is told what to write', async () => {
	// Of the file systems that every Linux has.
	const problem = await createSymlinkStrategy('/proc/self').problem()
	expect(problem).toMatch(/^\/proc\/self is no tmpfs: secrets would lie on the node's disk\. Write --memory-root/)
})

it('a directory on a tmpfs is made for its owner alone', async () => {
	const root = join(folder, 'memory')
	expect(await createSymlinkStrategy(root).problem()).toBeUndefined()
	expect(statSync(root).mode & 0o777).toBe(0o700)
})

it('the target becomes a link, also in place of the empty directory of a kubelet, and stays the one that it is', async () => {
	const strategy = createSymlinkStrategy(join(folder, 'memory'))
	const target = join(folder, 'mount')
	mkdirSync(target)
	expect(await strategy.isAttached('csi-1', target)).toBe(false)
	await strategy.attach('csi-1', target)
	const { ino } = lstatSync(target)
	await strategy.attach('csi-1', target)
	expect([readlinkSync(target), lstatSync(target).ino]).toEqual([join(folder, 'memory/csi-1/data'), ino])
	expect(await strategy.isAttached('csi-1', target)).toBe(true)
	expect(await strategy.isAttached('csi-2', target)).toBe(false)
	await strategy.detach('csi-2', target)
	expect(lstatSync(target).ino).toBe(ino)
	await strategy.detach('csi-1', target)
	await strategy.detach('csi-1', target)
	expect(lstatSync(target, { throwIfNoEntry: false })).toBeUndefined()
})

it('a link of a process with another memory root is replaced, and one of another volume is not', async () => {
	const strategy = createSymlinkStrategy(join(folder, 'memory'))
	const target = join(folder, 'mount')
	symlinkSync('/run/before/csi-1/data', target)
	await strategy.attach('csi-1', target)
	expect(await strategy.isAttached('csi-1', target)).toBe(true)
	await expect(strategy.attach('csi-2', target)).rejects.toMatchObject({ code: 'EEXIST' })
	expect(await strategy.isAttached('csi-1', target)).toBe(true)
})
