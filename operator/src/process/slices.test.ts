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
	return () =>
		slices(() => {
			now += msOfWork
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

test('what fails fails for whoever asked for it, and the rest is done', async () => {
	const slices = createSlices(
		() => 0,
		async () => {},
	)
	const failing = slices(() => {
		throw new Error('broken')
	})
	const going = slices(() => 'done')
	await expect(failing).rejects.toThrow('broken')
	await expect(going).resolves.toBe('done')
})
