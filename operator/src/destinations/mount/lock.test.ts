import { mkdtemp, readdir, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../process/clock.ts'
import { writeGeneration } from './atomic-writer.ts'
import { createWriterLock, type WriterLock } from './lock.ts'

let folder: string
let locks: [WriterLock, WriterLock]
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'asb-lock-'))
	const make = () => createWriterLock(join(folder, '.lock'), systemClock)
	locks = [make(), make()]
})
afterEach(async () => {
	for (const lock of locks) lock.close()
	await rm(folder, { recursive: true })
})

const MODES = { directory: 0o755, file: 0o444 }

it('two writers of one directory, each behind its lock, never leave the link without its generation', async () => {
	const directory = join(folder, 'data')
	const write = (lock: WriterLock, value: string) =>
		lock.run(() =>
			writeGeneration(directory, { set: new Map([['a', value]]), keep: [], now: Date.now() }, MODES, () => true),
		)
	for (let i = 0; i < 20; i++) {
		await Promise.all(locks.map((lock, which) => write(lock, `${which} ${i}`)))
		const generation = await readlink(join(directory, '..data'))
		expect((await stat(join(directory, generation))).isDirectory()).toBe(true)
		expect((await readdir(directory)).toSorted()).toEqual(['..data', generation, 'a'].toSorted())
	}
})

it('keeps the other one away until the work has ended, also when it throws', async () => {
	const [one, other] = locks
	const order: string[] = []
	const { promise, resolve } = Promise.withResolvers<void>()
	const first = one.run(async () => {
		order.push('first begins')
		await promise
		order.push('first ends')
		throw new Error('failed')
	})
	const second = other.run(async () => void order.push('second'))
	const third = one.run(async () => void order.push('beside the first'))
	await third
	resolve()
	await expect(first).rejects.toThrow('failed')
	await second
	expect(order).toEqual(['first begins', 'beside the first', 'first ends', 'second'])
})

it('writes nothing, so a disk that is full keeps nobody away', async () => {
	for (const lock of locks) {
		const [names, { size }] = await lock.run(async () => [await readdir(folder), await stat(join(folder, '.lock'))])
		expect([names, size]).toEqual([['.lock'], 0])
	}
})

it('ends to wait when nobody waits for the work any more', async () => {
	const [one, other] = locks
	const { promise, resolve } = Promise.withResolvers<void>()
	const first = one.run(() => promise)
	const ending = new AbortController()
	const second = other.run(async () => {}, ending.signal)
	ending.abort(new Error('gone'))
	await expect(second).rejects.toThrow('gone')
	resolve()
	await first
})
