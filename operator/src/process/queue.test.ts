import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exponential } from './backoff.ts'
import { KeyedQueue, type Work } from './queue.ts'
import { FakeClock, settle } from './testing/fake-clock.ts'

function start(queue: KeyedQueue, worker: Work, concurrency = 1, perSubgroup = concurrency) {
	const stop = new AbortController()
	return { stop, done: queue.run(worker, { concurrency, perSubgroup, signal: stop.signal }) }
}

/** `a1@v`: of group a and subgroup v. */
const placeOf = (key: string) => ({ group: key[0] ?? '', subgroup: key.split('@')[1] ?? '' })

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

	test('groups take turns, whatever one of them puts first', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock(), placeOf })
		const ran: string[] = []
		for (let i = 0; i < 170; i++) queue.add(`a${i}@v`, { first: true })
		queue.add('b1@w')
		queue.add('b2@w')
		queue.add('c1@v')
		const { stop, done } = start(queue, async (key) => {
			ran.push(key)
		})
		await settle()
		stop.abort()
		await done
		expect(ran.slice(0, 6)).toEqual(['a0@v', 'b1@w', 'c1@v', 'a1@v', 'b2@w', 'a2@v'])
	})

	test('a group whose work hangs gets half of the workers, the next one half of the rest, and who comes new still finds one', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock(), placeOf })
		const ran: string[] = []
		const hang = Promise.withResolvers<void>()
		const { stop, done } = start(
			queue,
			async (key) => {
				ran.push(key)
				await hang.promise
			},
			32,
		)
		const hangs = (group: string) => {
			for (let i = 0; i < 64; i++) queue.add(`${group}${i}@${i}`)
		}
		hangs('a')
		expect(ran).toHaveLength(16)
		hangs('b')
		expect(ran.filter((key) => key.startsWith('b'))).toHaveLength(8)
		for (const group of 'cd') hangs(group)
		expect(queue.running).toBeLessThan(32)
		queue.add('z1@v')
		expect(ran.at(-1)).toBe('z1@v')
		stop.abort()
		hang.resolve()
		await done
	})

	test('a subgroup has its share of the workers and no more; the others of its group go on', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock(), placeOf })
		const ran: string[] = []
		const hang = Promise.withResolvers<void>()
		const work = async (key: string) => {
			ran.push(key)
			if (key.endsWith('@hangs')) await hang.promise
		}
		const { stop, done } = start(queue, work, 8, 2)
		for (let i = 0; i < 9; i++) queue.add(`a${i}@hangs`)
		queue.add('b1@hangs')
		queue.add('a9@works')
		await settle()
		expect(ran).toEqual(['a0@hangs', 'a1@hangs', 'a9@works'])
		hang.resolve()
		await settle()
		expect(ran).toHaveLength(11)
		stop.abort()
		await done
	})

	test('a group whose keys are quick goes before those whose keys hold workers long, however many they are', async () => {
		const clock = new FakeClock()
		const queue = new KeyedQueue({ clock, placeOf: (key) => ({ group: key, subgroup: key }) })
		const began: string[] = []
		const { stop, done } = start(queue, async (key) => {
			began.push(key)
			await clock.sleep(key === 'quick' ? 10 : 1_000)
			if (key !== 'quick') queue.add(key)
		})
		for (let i = 0; i < 50; i++) queue.add(`slow-${i}`)
		queue.add('quick')
		// Once nothing is known of anybody.
		while (!began.includes('quick')) await clock.advance(1_000)
		for (let i = 0; i < 20; i++) {
			await clock.advance(1_500)
			const before = began.length
			queue.add('quick')
			await clock.advance(1_000)
			expect(began.slice(before, before + 1)).toEqual(['quick'])
		}
		stop.abort()
		await clock.advance(1_000)
		await done
	})

	test('what becomes due later than others wakes nobody when it is added', async () => {
		const clock = new FakeClock()
		const sleeps: number[] = []
		const counting = {
			now: () => clock.now(),
			monotonic: () => clock.monotonic(),
			sleep: (ms: number, signal?: AbortSignal) => {
				sleeps.push(ms)
				return clock.sleep(ms, signal)
			},
		}
		const queue = new KeyedQueue({ clock: counting })
		const done: string[] = []
		const { stop, done: ended } = start(queue, async (key) => void done.push(key))
		await clock.advance(0)
		for (const ms of [30, 20, 10]) {
			queue.addAfter(`after-${ms}`, ms)
			await clock.advance(0)
		}
		for (let i = 0; i < 100; i++) {
			queue.addAfter(`later-${i}`, 40 + i)
			await clock.advance(0)
		}
		expect(sleeps).toEqual([3_600_000, 30, 20, 10])
		await clock.advance(200)
		expect(done).toEqual(['after-10', 'after-20', 'after-30', ...Array.from({ length: 100 }, (_, i) => `later-${i}`)])
		stop.abort()
		await ended
	})

	test('whoever is worked on is told when its key is added again, and whether it threw the time before', async () => {
		const clock = new FakeClock()
		const queue = new KeyedQueue({ clock })
		const log: unknown[] = []
		const { stop, done } = start(queue, async (key, _, { isRetry, onAgain }) => {
			log.push([key, isRetry])
			onAgain(() => log.push(`${key} again`))
			await clock.sleep(10)
			if (log.length < 3) throw new Error('of the test')
			queue.forget(key)
		})
		queue.add('a')
		await clock.advance(5)
		queue.add('a')
		await clock.advance(100)
		queue.add('a')
		await clock.advance(100)
		expect(log).toEqual([['a', false], 'a again', ['a', true], ['a', false]])
		stop.abort()
		await done
	})

	test('whoever is worked on is told how late it is after its time', async () => {
		const clock = new FakeClock()
		const queue = new KeyedQueue({ clock })
		const late: [string, number][] = []
		const { stop, done } = start(queue, async (key, _, { lateMs }) => {
			late.push([key, lateMs])
			await clock.sleep(40)
		})
		queue.addAfter('a', 10)
		queue.addAfter('b', 20)
		await clock.advance(15)
		queue.add('a')
		await clock.advance(200)
		// b was due at 20 and waited until 50; a was wanted again at 15 and got the worker at 90.
		expect(late).toEqual([
			['a', 0],
			['b', 30],
			['a', 75],
		])
		stop.abort()
		await done
	})

	test('a worker that is given back does other work, of which its group has its share', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock(), placeOf })
		const ran: string[] = []
		const parsed = Promise.withResolvers<void>()
		const hang = Promise.withResolvers<void>()
		const work: Work = async (key, _, { release }) => {
			ran.push(key)
			if (key.startsWith('b')) await hang.promise
			else await Promise.all([release(() => parsed.promise), release(() => parsed.promise)])
		}
		const { stop, done } = start(queue, work, 4)
		for (let i = 0; i < 9; i++) queue.add(`a${i}@v${i}`)
		for (let i = 0; i < 9; i++) queue.add(`b${i}@w${i}`)
		// Four of a, none of which has a worker, and of b as many as without a.
		expect([ran.filter((key) => key.startsWith('a')).length, ran.length, queue.running]).toEqual([4, 6, 6])
		parsed.resolve()
		await settle()
		expect(ran).toHaveLength(11)
		hang.resolve()
		await settle()
		expect([ran.length, queue.running]).toEqual([18, 0])
		stop.abort()
		await done
	})

	test('who comes back from what it gave its worker back for takes none from who waits', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock(), placeOf: (key) => ({ group: key, subgroup: key }) })
		const parsed = Promise.withResolvers<void>()
		const slow = Promise.withResolvers<void>()
		const ran: string[] = []
		const work: Work = async (key, _, { release }) => {
			ran.push(key)
			if (key === 'victim') return
			await release(() => parsed.promise)
			await slow.promise
		}
		const { stop, done } = start(queue, work, 4)
		for (let i = 0; i < 10; i++) queue.add(`other-${i}`)
		await settle()
		parsed.resolve()
		await settle()
		// Ten write now what was parsed, to an API server that takes long.
		expect([ran.length, queue.running]).toEqual([10, 10])
		queue.add('victim')
		await settle()
		expect(ran).toContain('victim')
		slow.resolve()
		await settle()
		expect(queue.running).toBe(0)
		stop.abort()
		await done
	})

	test('many that hang give their workers back until there are four for each worker, and who comes then finds one when one of them ends', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock(), placeOf })
		const ran: string[] = []
		const hangs = Array.from({ length: 12 }, () => Promise.withResolvers<void>())
		const work: Work = async (key, _, { release }) => {
			const hang = hangs[ran.push(key) - 1]
			await release(() => hang?.promise ?? Promise.resolve(), { ifRoom: true })
		}
		const { stop, done } = start(queue, work, 2)
		for (let i = 0; i < 12; i++) queue.add(`${'abcdefghijkl'[i]}0@v${i}`)
		await settle()
		// Eight gave theirs back, and two hold the workers that there are.
		expect([ran.length, queue.running]).toEqual([10, 10])
		hangs[9]?.resolve()
		await settle()
		expect(ran).toHaveLength(11)
		for (const hang of hangs) hang.resolve()
		await settle()
		expect([ran.length, queue.running]).toEqual([12, 0])
		stop.abort()
		await done
	})

	test('of work that has read nothing 32 for each worker give theirs back, and what has read something stays bounded beside it', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock(), placeOf: (key) => ({ group: key, subgroup: key }) })
		const ran: string[] = []
		const hang = Promise.withResolvers<void>()
		const work: Work = async (key, _, { release }) => {
			ran.push(key)
			await release(() => hang.promise, { ifRoom: true, isLight: key.startsWith('light') })
		}
		const { stop, done } = start(queue, work, 1)
		for (let i = 0; i < 20; i++) queue.add(`light${i}`)
		await settle()
		expect(ran).toHaveLength(20)
		for (let i = 0; i < 9; i++) queue.add(`heavy${i}`)
		await settle()
		// Four gave theirs back, and the fifth holds the worker that there is.
		expect(ran).toHaveLength(25)
		hang.resolve()
		await settle()
		expect([ran.length, queue.running]).toEqual([29, 0])
		stop.abort()
		await done
	})

	test('many that have read nothing go on one after the other once they have: what they hold stays bounded as well', async () => {
		const queue = new KeyedQueue({ clock: new FakeClock(), placeOf })
		const hang = Promise.withResolvers<void>()
		const writes: (() => void)[] = []
		let holding = 0
		const work: Work = async (_, __, { release }) => {
			await release(() => hang.promise, { ifRoom: true, isLight: true })
			await release(async () => void holding++)
			await new Promise<void>((resolve) => void writes.push(resolve))
			holding--
		}
		const { stop, done } = start(queue, work, 8)
		for (let i = 0; i < 80; i++) queue.add(`${'abcdefghij'[i % 10]}${i}@v${i}`)
		await settle()
		// Of each group eight, all of which have waited for their vaults in vain so far.
		expect(queue.running).toBe(80)
		hang.resolve()
		await settle()
		// Four for each worker.
		expect(holding).toBe(32)
		// Groups take turns, and whoever ends makes room for one more.
		for (const write of writes.splice(0, 5)) write()
		await settle()
		expect([holding, queue.running]).toEqual([32, 75])
		// One of a group that has none waits for nobody.
		queue.add('z1@v')
		await settle()
		expect(holding).toBe(33)
		stop.abort()
		while (queue.running > 0) {
			for (const write of writes.splice(0)) write()
			await settle()
		}
		await done
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

const key = fc.constantFrom('a1@v', 'a2@w', 'b1@v', 'b2@v', 'c1@w')
const command: fc.Arbitrary<Command> = fc.oneof(
	fc.record({ do: fc.constantFrom('add' as const, 'first' as const, 'limited' as const, 'forget' as const), key }),
	fc.record({ do: fc.constant('after' as const), key, ms: fc.integer({ min: -5, max: 300 }) }),
	fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 120 }) }),
)
/** what successive runs do: how long they take and whether they throw */
const runs = fc.array(fc.record({ ms: fc.integer({ min: 0, max: 90 }), fails: fc.boolean() }), { maxLength: 40 })

test('it says whether a key that goes first waits for a worker', async () => {
	const queue = new KeyedQueue({ clock: new FakeClock() })
	queue.add('known')
	expect(queue.firstWaits).toBe(false)
	queue.add('new', { first: true })
	expect(queue.firstWaits).toBe(true)
	const stop = new AbortController()
	const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
	const seen: string[] = []
	const run = queue.run(
		async (key) => {
			await gates[seen.push(key) - 1]?.promise
		},
		{ concurrency: 1, signal: stop.signal },
	)
	expect(seen).toEqual(['new'])
	expect(queue.firstWaits).toBe(false)
	for (const { resolve } of gates) resolve()
	stop.abort()
	await run
})

test('model: no key runs twice at once, no add is lost, nothing runs that was not asked for, first goes first in its group, groups take turns, workers that may work do', async () => {
	const planned = new Error('planned')
	await fc.assert(
		fc.asyncProperty(
			fc.array(command, { maxLength: 60 }),
			runs,
			fc.integer({ min: 1, max: 5 }),
			fc.integer({ min: 1, max: 3 }),
			async (commands, plan, concurrency, perSubgroup) => {
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
				const like = (k: string, of: 'group' | 'subgroup') =>
					[...running].filter((other) => placeOf(other)[of] === placeOf(k)[of]).length
				const mayGo = (k: string) => like(k, 'group') < concurrency - running.size && like(k, 'subgroup') < perSubgroup
				const due = () => [...wanted].filter(([k, at]) => at <= clock.monotonic() && !running.has(k)).map(([k]) => k)
				/** group → how often each other one went while it might have gone */
				const passed = new Map<string, Map<string, number>>()
				const pass = (k: string) => {
					const { group } = placeOf(k)
					passed.delete(group)
					for (const other of new Set(
						due()
							.filter(mayGo)
							.map((each) => placeOf(each).group),
					)) {
						if (other === group) continue
						const counts = passed.get(other) ?? new Map<string, number>()
						passed.set(other, counts.set(group, (counts.get(group) ?? 0) + 1))
						// Once by its turn, and once between the time at which both are due and the moment at which both are there.
						expect(counts.get(group), `${group} goes before ${other} too often`).toBeLessThanOrEqual(2)
					}
				}
				let run = 0
				// The queue catches what a worker throws, failed expectations included.
				const violations: unknown[] = []
				const onError = (_: string, error: unknown) => {
					if (error !== planned) violations.push(error)
				}
				const queue = new KeyedQueue({ clock, placeOf, onError })
				const { stop, done } = start(
					queue,
					async (k) => {
						expect(mayGo(k), 'has more workers than its share').toBe(true)
						pass(k)
						expect(running.has(k), 'runs twice at once').toBe(false)
						expect(wanted.get(k), 'was not asked for, or too early').toBeLessThanOrEqual(clock.monotonic())
						const before = [...first].filter(
							(other) =>
								other !== k && placeOf(other).group === placeOf(k).group && !running.has(other) && mayGo(other),
						)
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
					perSubgroup,
				)
				const check = () => {
					expect(violations).toEqual([])
					expect(due().filter(mayGo), 'waits although there is a worker for it').toEqual([])
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
