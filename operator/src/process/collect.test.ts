import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { createCollector } from './collect.ts'

const MB = 2 ** 20

/** A heap of which a collection leaves so much. */
function heapOf(megabytes: number) {
	const heap = { used: megabytes * MB, left: megabytes * MB, collections: 0 }
	const collect = () => {
		heap.used = heap.left
		heap.collections++
	}
	return { heap, collectIfIdle: createCollector({ collect, used: () => heap.used }) }
}

it('what a burst has left is collected once it is over, and once', () => {
	const { heap, collectIfIdle } = heapOf(10)
	collectIfIdle()
	heap.collections = 0
	heap.used += 8 * MB
	collectIfIdle()
	expect(heap.collections, 'under way').toBe(0)
	heap.used += 0.5 * MB
	collectIfIdle()
	expect(heap.collections, 'over').toBe(1)
	collectIfIdle()
	collectIfIdle()
	expect(heap.collections, 'nothing new').toBe(1)
})

it('what stays in use is not collected again and again', () => {
	const { heap, collectIfIdle } = heapOf(10)
	heap.used = heap.left = 30 * MB
	for (let each = 0; each < 10; each++) collectIfIdle()
	expect(heap.collections).toBe(1)
})

it('what comes in drops is collected when it is worth it', () => {
	const { heap, collectIfIdle } = heapOf(10)
	collectIfIdle()
	heap.collections = 0
	for (let each = 0; each < 100; each++) {
		heap.used += 0.1 * MB
		collectIfIdle()
	}
	expect(heap.collections, '10 MB, 2 MB at a time').toBeGreaterThanOrEqual(4)
	expect(heap.collections, '10 MB, 2 MB at a time').toBeLessThanOrEqual(5)
})

const PROGRAM = `
	import { getHeapStatistics } from 'node:v8'
	const { createCollector } = await import(${JSON.stringify(new URL('collect.ts', import.meta.url).href)})
	const collectIfIdle = createCollector()
	let garbage = Array.from({ length: 200_000 }, (_, each) => ({ each }))
	collectIfIdle()
	const before = getHeapStatistics().used_heap_size
	garbage = undefined
	collectIfIdle()
	console.log(before - getHeapStatistics().used_heap_size > 4_000_000 ? 'collected' : 'kept')
`
const run = (...flags: string[]) =>
	execFileSync(process.execPath, [...flags, '--input-type=module', '--eval', PROGRAM], { encoding: 'utf8' }).trim()

it('asks V8 where the process has the flag, and does nothing where it has not', () => {
	expect(run('--expose-gc')).toBe('collected')
	expect(run()).toBe('kept')
})
