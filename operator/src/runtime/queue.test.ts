import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exponential } from './backoff.ts'
import { KeyedQueue } from './queue.ts'
import { FakeClock, settle } from './testing/fake-clock.ts'

function start(queue: KeyedQueue, worker: (key: string, signal: AbortSignal) => Promise<void>, concurrency = 1) {
	const stop = new AbortController()
	return { stop, done: queue.run(worker, { concurrency, signal: stop.signal }) }
}

describe('keyed queue', () => {
	test('keys added many times before a worker is free run once, first in first out', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock() })
		const ran: string[] = []
		for (const key of ['b', 'a', 'b', 'a']) queue.add(key)
		expect(queue.depth).toBe(2)
		const { stop, done } = start(queue, async (key) => {
			ran.push(key)
		})
		await settle()
		stop.abort()
		await done
		expect(ran).toEqual(['b', 'a'])
	})

	test('keys of the first lane go before others, keep their order, and take a waiting key along', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock() })
		const ran: string[] = []
		for (const key of ['a', 'b', 'c']) queue.add(key)
		queue.add('new', { first: true })
		queue.add('c', { first: true })
		queue.add('new')
		expect(queue.depth).toBe(4)
		const { stop, done } = start(queue, async (key) => {
			ran.push(key)
			// Added while it runs: once more, in its lane.
			if (key === 'new' && ran.length < 3) queue.add('new', { first: true })
		})
		await settle()
		stop.abort()
		await done
		expect(ran).toEqual(['new', 'c', 'new', 'a', 'b'])
	})

	test('the earliest of several delays wins, and an add beats them all', async () => {
		const clock = new FakeClock()
		const queue = new KeyedQueue({ clock })
		const ran: [string, number][] = []
		const { stop, done } = start(queue, async (key) => {
			ran.push([key, clock.monotonic()])
		})
		queue.addAfter('a', 100)
		queue.addAfter('a', 50)
		queue.addAfter('a', 80)
		queue.addAfter('b', 100)
		queue.add('b')
		await clock.advance(200)
		stop.abort()
		await done
		expect(ran).toEqual([
			['b', 0],
			['a', 50],
		])
	})

	test('a worker that throws is reported, and its key comes again after 5 ms, 10 ms, … until forgotten', async () => {
		const clock = new FakeClock()
		const errors: unknown[] = []
		const queue = new KeyedQueue({ clock, onError: (key, error) => errors.push([key, error]) })
		const at: number[] = []
		const { stop, done } = start(queue, async (key) => {
			at.push(clock.monotonic())
			if (at.length < 4) throw new Error(`attempt ${at.length}`)
			queue.forget(key)
			if (at.length === 4) queue.addRateLimited(key)
		})
		queue.add('a')
		await clock.advance(1_000)
		stop.abort()
		await done
		expect(at).toEqual([0, 5, 15, 35, 40])
		expect(errors).toHaveLength(3)
	})

	test('stopping starts nothing more, tells the running workers and waits for them', async () => {
		const clock = new FakeClock()
		const queue = new KeyedQueue({ clock })
		const log: string[] = []
		const { stop, done } = start(queue, async (key, signal) => {
			signal.addEventListener('abort', () => log.push(`${key} told`))
			await clock.sleep(100)
			log.push(`${key} done`)
		})
		queue.add('a')
		queue.add('b')
		queue.addAfter('c', 1)
		await settle()
		queue.add('a')
		stop.abort()
		queue.add('d')
		let ended = false
		void done.then(() => {
			ended = true
		})
		await clock.advance(99)
		expect(ended).toBe(false)
		await clock.advance(1_000)
		await done
		expect(log).toEqual(['a told', 'a done'])
	})

	test('the age of the oldest waiting key counts from its first add, also while it is running', async () => {
		const clock = new FakeClock()
		const queue = new KeyedQueue({ clock })
		queue.add('a')
		await clock.advance(10)
		queue.add('a')
		expect(queue.oldestMs).toBe(10)
		const { stop, done } = start(queue, () => clock.sleep(1_000))
		await settle()
		expect([queue.depth, queue.running, queue.oldestMs]).toEqual([0, 1, 0])
		queue.add('a')
		await clock.advance(400)
		queue.add('b')
		queue.addAfter('c', 3_600_000)
		expect([queue.depth, queue.delayed, queue.oldestMs]).toEqual([2, 1, 400])
		stop.abort()
		await clock.advance(1_000)
		await done
	})
})

type Command =
	| { do: 'add' | 'first' | 'limited' | 'forget'; key: string }
	| { do: 'after'; key: string; ms: number }
	| { do: 'advance'; ms: number }

const key = fc.constantFrom('a', 'b', 'c', 'd')
const command: fc.Arbitrary<Command> = fc.oneof(
	fc.record({ do: fc.constantFrom('add' as const, 'first' as const, 'limited' as const, 'forget' as const), key }),
	fc.record({ do: fc.constant('after' as const), key, ms: fc.integer({ min: -5, max: 300 }) }),
	fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 120 }) }),
)
/** what successive runs do: how long they take and whether they throw */
const runs = fc.array(fc.record({ ms: fc.integer({ min: 0, max: 90 }), fails: fc.boolean() }), { maxLength: 40 })

test('model: no key runs twice at once, no add is lost, nothing runs that was not asked for, first goes first, free workers never idle', async () => {
	const planned = new Error('planned')
	await fc.assert(
		fc.asyncProperty(
			fc.array(command, { maxLength: 60 }),
			runs,
			fc.integer({ min: 1, max: 3 }),
			async (commands, plan, concurrency) => {
				const clock = new FakeClock()
				// The model: for each key the one time at which it is wanted, if it is; and its failures.
				const wanted = new Map<string, number>()
				const failures = new Map<string, number>()
				const running = new Set<string>()
				/** keys that were added to the first lane and have not run since */
				const first = new Set<string>()
				const want = (k: string, at: number) => wanted.set(k, Math.min(wanted.get(k) ?? Number.POSITIVE_INFINITY, at))
				const limit = (k: string) => {
					const n = failures.get(k) ?? 0
					failures.set(k, n + 1)
					want(k, clock.monotonic() + exponential(5, 300_000, n))
				}
				let run = 0
				// The queue catches what a worker throws, failed expectations included.
				const violations: unknown[] = []
				const onError = (_: string, error: unknown) => {
					if (error !== planned) violations.push(error)
				}
				const queue = new KeyedQueue({ clock, onError })
				const { stop, done } = start(
					queue,
					async (k) => {
						expect(running.has(k), 'runs twice at once').toBe(false)
						expect(wanted.get(k), 'was not asked for, or too early').toBeLessThanOrEqual(clock.monotonic())
						const before = [...first].filter((other) => other !== k && !running.has(other))
						if (!first.has(k)) expect(before, 'a first one waits').toEqual([])
						first.delete(k)
						wanted.delete(k)
						running.add(k)
						expect(running.size).toBeLessThanOrEqual(concurrency)
						const { ms, fails } = plan[run++] ?? { ms: 0, fails: false }
						if (ms > 0) await clock.sleep(ms)
						running.delete(k)
						if (fails) {
							limit(k)
							throw planned
						}
					},
					concurrency,
				)
				const check = () => {
					expect(violations).toEqual([])
					const late = [...wanted].filter(([k, at]) => at <= clock.monotonic() && !running.has(k))
					if (running.size < concurrency) expect(late, 'waits although a worker is free').toEqual([])
					// Pending keys are counted once each, wherever they are.
					expect(queue.depth + queue.delayed).toBe(wanted.size)
				}
				for (const c of commands) {
					switch (c.do) {
						case 'add':
							want(c.key, clock.monotonic())
							queue.add(c.key)
							break
						case 'first':
							want(c.key, clock.monotonic())
							first.add(c.key)
							queue.add(c.key, { first: true })
							break
						case 'after':
							want(c.key, clock.monotonic() + Math.max(c.ms, 0))
							queue.addAfter(c.key, c.ms)
							break
						case 'limited':
							limit(c.key)
							queue.addRateLimited(c.key)
							break
						case 'forget':
							failures.delete(c.key)
							queue.forget(c.key)
							break
						case 'advance':
							await clock.advance(c.ms)
							break
					}
					await settle()
					check()
				}
				// Long enough for every plan and every backoff that so few failures can reach (5 ms * 2^60 is cut at 5 min).
				await clock.advance(3_600_000)
				expect([...wanted.keys()], 'lost').toEqual([])
				expect([...running]).toEqual([])
				stop.abort()
				await done
			},
		),
		{ numRuns: 300 },
	)
})
