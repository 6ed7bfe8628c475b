import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { createGate } from './gate.ts'
import { settle } from './testing/fake-clock.ts'

const open = (width: number) => {
	let now = 0
	const gate = createGate(width, () => now)
	const under: { name: string; end(ms?: number): Promise<void> }[] = []
	const go = (name: string, signal?: AbortSignal) =>
		gate(name[0] ?? '', signal, () => {
			const { promise, resolve } = Promise.withResolvers<string>()
			const end = async (ms = 1_000) => {
				now += ms
				under.splice(under.indexOf(one), 1)
				resolve(name)
				await settle()
			}
			const one = { name, end }
			under.push(one)
			return promise
		})
	return { go, under, names: () => under.map(({ name }) => name) }
}

test('so many go at once, groups in turn by how long they took', async () => {
	const { go, under, names } = open(2)
	for (const name of ['a1', 'a2', 'a3', 'b1', 'b2']) void go(name)
	await settle()
	expect(names()).toEqual(['a1', 'a2'])
	await under[0]?.end()
	expect(names()).toEqual(['a2', 'b1'])
	await under[1]?.end(10)
	expect(names()).toEqual(['a2', 'b2'])
	await under[1]?.end(10)
	expect(names()).toEqual(['a2', 'a3'])
})

test('who gives up leaves its place in the queue and no listener; what fails makes room', async () => {
	const { go, under, names } = open(1)
	const first = go('a1')
	const stop = new AbortController()
	const given = go('b1', stop.signal)
	stop.abort(new Error('gave up'))
	await expect(given).rejects.toThrow('gave up')
	expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
	await expect(go('b2', stop.signal)).rejects.toThrow('gave up')
	const gate = createGate(1, () => 0)
	await expect(gate('a', undefined, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
	expect(await gate('a', undefined, async () => 'done')).toBe('done')
	void go('c1')
	await settle()
	expect(names()).toEqual(['a1'])
	await under[0]?.end()
	expect([await first, names()]).toEqual(['a1', ['c1']])
})
