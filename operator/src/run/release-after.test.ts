import { expect, test } from 'vitest'
import { type AddOptions, KeyedQueue, type Work } from '../process/queue.ts'
import { FakeClock } from '../process/testing/fake-clock.ts'
import { createBudget } from '../vault/budget.ts'
import { createPatience } from './release-after.ts'

// As the operator has them.
const WORKERS = { concurrency: 32, perSubgroup: 16 }
const PASS_MS = 60_000

/** A binding for each key `namespace/vault/n`, whose vault answers after these times, one after the other; one that is no tenant's at once. */
function start(waits: readonly number[], { isLight = false } = {}) {
	const clock = new FakeClock()
	const queue = new KeyedQueue({
		clock,
		placeOf: (key) => {
			const [group = '', subgroup = ''] = key.split('/')
			return { group, subgroup }
		},
	})
	const late: number[] = []
	const work: Work = async (key, _, turn) => {
		if (key.startsWith('victim')) {
			late.push(turn.lateMs)
			return
		}
		const idle = createPatience(turn, clock)
		for (const ms of waits) await idle(clock.sleep(ms), isLight)
		queue.add(key)
	}
	const stop = new AbortController()
	const done = queue.run(work, { ...WORKERS, signal: stop.signal })
	return {
		clock,
		queue,
		add(keys: readonly string[], options?: AddOptions) {
			for (const key of keys) queue.add(key, options)
		},
		/** Twenty polls of a victim. @returns how late the latest of them was, ms */
		async latestOfVictim() {
			for (let i = 0; i < 20; i++) {
				queue.add(`victim/own/${i}`)
				await clock.advance(2_500)
			}
			await clock.advance(PASS_MS)
			expect(late).toHaveLength(20)
			return Math.max(...late)
		},
		async end() {
			stop.abort()
			await clock.advance(2 * PASS_MS)
			await done
		},
	}
}

const keysOf = (namespace: string, count: number) =>
	Array.from({ length: count }, (_, i) => `${namespace}/${namespace}-${i % 4}/${i}`)

test.each([
	['answers just before the second is over', [0], Array.from({ length: 60 }, () => 990)],
	['hangs, and then answers just before the second is over', [0, 1], [1_500, ...Array.from({ length: 60 }, () => 990)]],
	['of many namespaces does so', [0, 1, 2, 3, 4, 5, 6, 7], Array.from({ length: 60 }, () => 990)],
])('a vault that %s holds up another namespace by two seconds at most', async (_, namespaces, waits) => {
	const { clock, add, latestOfVictim, end } = start(waits)
	for (const each of namespaces) add(keysOf(`greedy-${each}`, 100))
	await clock.advance(10_000)
	expect(await latestOfVictim()).toBeLessThanOrEqual(2_000)
	await end()
})

test('300 namespaces whose vaults hang hold up another one by two seconds at most while nothing was read for them', async () => {
	// Three tries of ten seconds each.
	const { clock, latestOfVictim, queue, end } = start([30_000], { isLight: true })
	for (let i = 0; i < 300; i++) queue.add(`hanging-${i}/v${i}/0`, { first: true })
	await clock.advance(12_000)
	expect(await latestOfVictim()).toBeLessThanOrEqual(2_000)
	await end()
})

test('a pass whose vault answers gives nothing back in its first second', async () => {
	const clock = new FakeClock()
	let released = 0
	const idle = createPatience(
		{
			release: (until) => {
				released++
				return until()
			},
		},
		clock,
	)
	const waiting = async () => {
		for (let i = 0; i < 9; i++) await idle(clock.sleep(100))
	}
	const waited = waiting()
	await clock.advance(900)
	await waited
	expect(released).toBe(0)
	expect(clock.sleeping).toBe(0)
})

test('a vault that many namespaces read for the first time turns none of them away: so many wait for its budget as it serves', async () => {
	const clock = new FakeClock()
	const queue = new KeyedQueue({ clock, placeOf: (key) => ({ group: key, subgroup: 'one' }) })
	// Of a vault that has throttled.
	const budget = createBudget({ clock, maxPerSecond: 25 })
	const stop = new AbortController()
	const faults: unknown[] = []
	let ended = 0
	const work: Work = async (namespace, signal, turn) => {
		const read = async () => {
			const place = await budget.acquire({ lane: 'first', namespace, signal })
			await clock.sleep(50)
			place.release()
		}
		const reads = Promise.all([read(), read(), read(), read()])
		const arrived = reads.then(
			() => {},
			(error: unknown) => void faults.push(error),
		)
		await createPatience(turn, clock)(arrived, true)
		ended++
	}
	const done = queue.run(work, { ...WORKERS, signal: stop.signal })
	for (let i = 0; i < 500; i++) queue.add(`namespace-${i}`, { first: true })
	while (ended < 500) await clock.advance(5_000)
	expect(faults).toEqual([])
	stop.abort()
	await clock.advance(1_000)
	await done
})
