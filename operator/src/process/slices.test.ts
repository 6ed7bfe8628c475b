import { expect, test } from 'vitest'
import { createSlices } from './slices.ts'

const turnsOf = (msOfWork: number) => {
	let now = 0
	let turns = 0
	const slices = createSlices(
		() => now,
		async () => {
			await new Promise<void>((resolve) => setImmediate(resolve))
			turns++
		},
	)
	return (group = 'a', ms = msOfWork) =>
		slices(group, () => {
			now += ms
			return turns
		})
}

test('work that takes long is done one a turn of the event loop, in the order in which it came', async () => {
	const work = turnsOf(25)
	expect(await Promise.all([work(), work(), work()])).toEqual([1, 2, 3])
})

test('short work shares a turn', async () => {
	const work = turnsOf(1)
	expect(await Promise.all([work(), work(), work()])).toEqual([1, 1, 1])
})

test('who needs little waits for one piece of work of others, however many others there are', async () => {
	const slices = turnsOf(25)
	const order: string[] = []
	const work = async (group: string, ms: number) => {
		await slices(group, ms)
		order.push(group)
	}
	const others = Array.from({ length: 50 }, (_, i) => `other-${i}`)
	const busy = others.map(async (group) => {
		for (let i = 0; i < 4; i++) await work(group, 25)
	})
	const between: number[] = []
	for (let i = 0; i < 20; i++) {
		const before = order.length
		await work('victim', 0.1)
		between.push(order.length - before - 1)
	}
	await Promise.all(busy)
	// At its first piece it has used no less than they have.
	expect(Math.max(...between.slice(1))).toBeLessThanOrEqual(1)
	expect(order).toHaveLength(50 * 4 + 20)
})

test('what fails fails for whoever asked for it, and the rest is done', async () => {
	const slices = createSlices(
		() => 0,
		async () => {},
	)
	const failing = slices('a', () => {
		throw new Error('broken')
	})
	const going = slices('a', () => 'done')
	await expect(failing).rejects.toThrow('broken')
	await expect(going).resolves.toBe('done')
})
