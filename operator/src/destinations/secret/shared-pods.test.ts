import { expect, it } from 'vitest'
import type { Pods } from '../../ports/cluster.ts'
import { FakeClock } from '../../process/testing/fake-clock.ts'
import type { PodObject } from './pod-uses.ts'
import { createSharedPods } from './shared-pods.ts'

const never = new AbortController().signal

function open(size: number) {
	const clock = new FakeClock()
	const listed: string[] = []
	let fails = false
	const pods: Pick<Pods, 'list'> = {
		async *list(namespace) {
			listed.push(namespace)
			if (fails) throw new Error('no')
			for (let i = 0; i < size; i++) yield { metadata: { name: `p${i}` } }
		},
	}
	const shared = createSharedPods(pods, clock)
	const read = async (namespace: string, since: number) => {
		const listed: PodObject[] = []
		for await (const pod of shared.list(namespace, since, never)) listed.push(pod)
		return listed.length
	}
	return {
		clock,
		listed,
		read,
		fail(is: boolean) {
			fails = is
		},
	}
}

it('whoever asks for one common time, or an earlier one, shares a list of the namespace', async () => {
	const { clock, listed, read } = open(3)
	const now = clock.monotonic()
	expect(await Promise.all([read('a', now), read('a', now - 5_000), read('b', now)])).toEqual([3, 3, 3])
	await clock.advance(2_000)
	expect(await read('a', now)).toBe(3)
	expect(listed).toEqual(['a', 'b'])
})

it('a list that was begun before is as it was then: who asks for later gets another', async () => {
	const { clock, listed, read } = open(3)
	await read('a', clock.monotonic())
	await clock.advance(1_000)
	await read('a', clock.monotonic())
	expect(listed).toHaveLength(2)
})

it('of a large namespace nothing is held: each goes through all of it', async () => {
	const { clock, listed, read } = open(51)
	const now = clock.monotonic()
	expect(await Promise.all([read('a', now), read('a', now)])).toEqual([51, 51])
	expect(listed).toHaveLength(3)
})

it('a list that failed is not kept', async () => {
	const { clock, read, fail } = open(3)
	fail(true)
	await expect(read('a', clock.monotonic())).rejects.toThrow('no')
	fail(false)
	expect(await read('a', clock.monotonic())).toBe(3)
})
