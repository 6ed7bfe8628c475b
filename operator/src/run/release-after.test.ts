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

/** Passes over bindings that read so many secrets of one vault, four at once; a key is `namespace/n`. */
function startReads(perSecond: number, readsOf: (key: string) => number) {
	const clock = new FakeClock()
	const namespaceOf = (key: string) => key.split('/')[0] ?? ''
	const queue = new KeyedQueue({ clock, placeOf: (key) => ({ group: namespaceOf(key), subgroup: 'one' }) })
	const budget = createBudget({ clock, maxPerSecond: perSecond })
	const stop = new AbortController()
	const seen = { faults: 0, ended: new Map<string, number>() }
	const read = async (namespace: string, signal: AbortSignal) => {
		const place = await budget.acquire({ lane: 'first', namespace, signal })
		await clock.sleep(50)
		place.release()
	}
	const work: Work = async (key, signal, turn) => {
		const idle = createPatience(turn, clock)
		for (let left = readsOf(key); left > 0; left -= 4) {
			const four = Array.from({ length: Math.min(left, 4) }, () => read(namespaceOf(key), signal))
			const arrived = Promise.all(four).then(
				() => {},
				() => void seen.faults++,
			)
			await idle(arrived, true)
		}
		seen.ended.set(key, clock.monotonic())
	}
	const done = queue.run(work, { ...WORKERS, signal: stop.signal })
	return {
		...{ clock, queue, seen },
		async end() {
			stop.abort()
			while (queue.running > 0) await clock.advance(5_000)
			await done
		},
	}
}

test('a vault that many namespaces read for the first time turns none of them away', async () => {
	// Of a vault that has throttled.
	const { clock, queue, seen, end } = startReads(15, () => 4)
	for (let i = 0; i < 300; i++) queue.add(`namespace-${i}/0`, { first: true })
	while (seen.ended.size < 300) await clock.advance(5_000)
	expect(seen.faults).toBe(0)
	await end()
})

test('namespaces that ask a vault for very much hold up another one of it by a few calls of each', async () => {
	const { clock, queue, seen, end } = startReads(40, (key) => (key === 'victim/0' ? 5 : 500))
	for (let i = 0; i < 160; i++) queue.add(`greedy-${i % 10}/${i}`, { first: true })
	await clock.advance(60_000)
	const asked = clock.monotonic()
	queue.add('victim/0')
	await clock.advance(20_000)
	expect((seen.ended.get('victim/0') ?? Number.POSITIVE_INFINITY) - asked).toBeLessThan(10_000)
	await end()
})
