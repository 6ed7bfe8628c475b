import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../process/clock.ts'
import { FakeClock } from '../process/testing/fake-clock.ts'
import { type LeaderElectionOptions, LeaseLostError, runLeaderElection, type Won } from './lease.ts'
import { LeaseServer, type Network } from './testing/lease-server.ts'

const goodNetwork = (): Network => ({ there: 5, back: 5, cut: false, deaf: false })

/** One candidate process: it leads until its signal aborts, and takes `afterwork` ms to end then. */
class Candidate {
	readonly network = goodNetwork()
	readonly stop = new AbortController()
	readonly holders: string[] = []
	won: Won | undefined
	/** between the call of `lead` and the abort of its signal: the time in which it may write */
	leading = false
	/** its work has not returned yet */
	working = false
	terms = 0
	lost: LeaseLostError | undefined
	readonly ended: Promise<unknown>

	constructor(
		server: LeaseServer,
		identity: string,
		clock: Clock,
		{ afterwork = 0, ...options }: Partial<LeaderElectionOptions> & { afterwork?: number } = {},
	) {
		const lead = async (signal: AbortSignal, won: Won) => {
			this.won = won
			this.terms++
			this.leading = !signal.aborted
			this.working = true
			const aborted = new Promise<void>((resolve) => {
				if (signal.aborted) resolve()
				signal.addEventListener('abort', () => {
					this.leading = false
					resolve()
				})
			})
			await aborted
			await clock.sleep(afterwork)
			this.working = false
		}
		this.ended = runLeaderElection(
			{
				transport: server.connect(this.network),
				namespace: 'ns',
				name: 'operator',
				identity,
				clock,
				random: () => 0.5,
				signal: this.stop.signal,
				onLost: (error) => {
					this.lost = error
				},
				onHolder: (holder) => this.holders.push(holder),
				...options,
			},
			lead,
		).then(
			() => 'ended',
			(error: unknown) => error,
		)
	}
}

function setUp() {
	const clock = new FakeClock()
	return { clock, server: new LeaseServer(clock) }
}

describe('leader election', () => {
	test('one of two candidates leads, and the other takes over at once when the first stops', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock)
		await clock.advance(100)
		const b = new Candidate(server, 'b', clock)
		await clock.advance(60_000)
		expect([a.leading, b.leading]).toEqual([true, false])
		expect(b.holders).toEqual(['a'])
		a.stop.abort()
		await clock.advance(4_000)
		expect([a.leading, b.leading]).toEqual([false, true])
		expect(await a.ended).toBe('ended')
		expect(server.lease?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 })
		expect(b.holders).toEqual(['a', '', 'b'])
	})

	test('the lease is kept until the work has ended, however long that takes', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock, { afterwork: 40_000 })
		await clock.advance(100)
		const b = new Candidate(server, 'b', clock)
		a.stop.abort()
		await clock.advance(39_000)
		expect([a.leading, a.working, b.leading]).toEqual([false, true, false])
		await clock.advance(6_000)
		expect([a.working, b.leading]).toEqual([false, true])
	})

	test('a leader that cannot renew stops itself before anyone else can start', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock)
		await clock.advance(100)
		const b = new Candidate(server, 'b', clock)
		await clock.advance(10_000)
		a.network.cut = true
		await clock.advance(10_100)
		expect([a.leading, b.leading]).toEqual([false, false])
		expect(a.lost?.message).toBe('the lease was not renewed for 10000 ms')
		expect(await a.ended).toBe(a.lost)
		await clock.advance(10_000)
		expect(b.leading).toBe(true)
	})

	test('who wins knows until when others may have worked before', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock)
		await clock.advance(20_000)
		// There was no lease.
		expect(a.won).toMatchObject({ workedUntil: undefined })
		const renewedAt = () => Date.parse(server.lease?.spec?.renewTime ?? '')
		a.network.cut = true
		const last = renewedAt()
		const b = new Candidate(server, 'b', clock)
		await clock.advance(20_000)
		expect(b.won).toMatchObject({ uid: server.lease?.metadata.uid, workedUntil: last + 15_000 })
		b.stop.abort()
		await clock.advance(100)
		const released = renewedAt()
		expect(released).toBeGreaterThan(last + 15_000)
		const c = new Candidate(server, 'c', clock)
		await clock.advance(60_000)
		expect(c.won).toMatchObject({ workedUntil: released + 15_000 })
	})

	test('a renewal that hangs ends at the deadline too', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock)
		await clock.advance(100)
		a.network.deaf = true
		await clock.advance(10_100)
		expect(a.leading).toBe(false)
		expect(a.lost).toBeInstanceOf(LeaseLostError)
	})

	test('the deadline counts from when a renewal was sent, not from when its answer came', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock)
		await clock.advance(100)
		Object.assign(a.network, { there: 0, back: 3_000 })
		let version: string | undefined
		let writtenAt = 0
		const follow = async () => {
			await clock.advance(100)
			if (server.lease?.metadata.resourceVersion !== version) writtenAt = clock.monotonic()
			version = server.lease?.metadata.resourceVersion
		}
		while (clock.monotonic() < 30_000) await follow()
		expect(a.leading).toBe(true)
		a.network.cut = true
		while (a.leading && clock.monotonic() < 60_000) await follow()
		expect(clock.monotonic() - writtenAt).toBeLessThanOrEqual(10_100)
	})

	test('one request that hangs does not cost the lease', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock)
		await clock.advance(100)
		a.network.deaf = true
		await clock.advance(2_000)
		a.network.deaf = false
		await clock.advance(60_000)
		expect([a.leading, a.terms]).toEqual([true, 1])
	})

	test('someone who takes the lease by force is noticed at the next try', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock)
		await clock.advance(3_000)
		server.lease = {
			metadata: { name: 'operator', resourceVersion: '99' },
			spec: { holderIdentity: 'x', leaseDurationSeconds: 15 },
		}
		await clock.advance(2_100)
		expect(a.lost?.message).toBe('the lease is held by x')
	})

	test('after a stall beyond the deadline nothing is asked, the lease is lost', async () => {
		const { clock, server } = setUp()
		// Sleeps that take 11 s longer, once it leads: a blocked event loop or a suspended machine.
		let stalled = 0
		const slow: Clock = {
			now: () => clock.now(),
			monotonic: () => clock.monotonic(),
			sleep: (ms, signal) => clock.sleep(ms + (ms === 2_000 ? stalled : 0), signal),
		}
		const a = new Candidate(server, 'a', slow)
		await clock.advance(100)
		stalled = 11_000
		await clock.advance(2_000)
		const version = server.lease?.metadata.resourceVersion
		await clock.advance(13_000)
		expect(a.lost).toBeInstanceOf(LeaseLostError)
		expect(server.lease?.metadata.resourceVersion).toBe(version)
	})

	test('without releaseOnStop the others wait for the lease to expire', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock, { releaseOnStop: false })
		await clock.advance(100)
		const b = new Candidate(server, 'b', clock)
		await clock.advance(2_500)
		a.stop.abort()
		await clock.advance(11_000)
		expect([a.leading, b.leading]).toEqual([false, false])
		await clock.advance(9_000)
		expect(b.leading).toBe(true)
	})

	test('work that fails gives the lease away and its error comes out', async () => {
		const { clock, server } = setUp()
		const failure = new Error('bug')
		const network = goodNetwork()
		const ended = runLeaderElection(
			{
				transport: server.connect(network),
				namespace: 'ns',
				name: 'operator',
				identity: 'a',
				clock,
				random: () => 0,
				signal: new AbortController().signal,
			},
			async () => {
				await clock.sleep(5_000)
				throw failure
			},
		).catch((error: unknown) => error)
		await clock.advance(10_000)
		expect(await ended).toBe(failure)
		expect(server.lease?.spec?.holderIdentity).toBe('')
	})

	test('times that cannot work are refused', async () => {
		const { clock, server } = setUp()
		const a = new Candidate(server, 'a', clock, { renewDeadlineMs: 15_000 })
		expect(await a.ended).toBeInstanceOf(RangeError)
	})
})

type Event =
	| { do: 'advance'; ms: number }
	| { do: 'network'; who: number; change: Partial<Network> }
	| { do: 'stop' | 'start'; who: number }

const who = fc.nat(1)
const event: fc.Arbitrary<Event> = fc.oneof(
	{ weight: 5, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 12_000 }) }) },
	{
		weight: 3,
		arbitrary: fc.record({
			do: fc.constant('network' as const),
			who,
			change: fc.oneof(
				fc.constantFrom({ cut: true }, { cut: false }, { deaf: true }, { deaf: false }),
				// Up to longer than a lease: late requests and answers.
				fc.record({ there: fc.integer({ min: 0, max: 20_000 }), back: fc.integer({ min: 0, max: 20_000 }) }),
			),
		}),
	},
	{ weight: 1, arbitrary: fc.record({ do: fc.constantFrom('stop' as const, 'start' as const), who }) },
)

test('model: whatever networks, clocks and restarts do, never two lead; healed, exactly one does', async () => {
	const skew = fc.integer({ min: -86_400_000, max: 86_400_000 })
	await fc.assert(
		fc.asyncProperty(
			fc.array(event, { maxLength: 40 }),
			fc.tuple(skew, skew),
			fc.boolean(),
			async (events, skews, afterwork) => {
				const { clock, server } = setUp()
				const all: Candidate[] = []
				const current: Candidate[] = []
				const start = (i: number) => {
					const options = { afterwork: afterwork ? 3_000 : 0 }
					const candidate = new Candidate(server, `${i}-${all.length}`, clock.skewed(skews[i] ?? 0), options)
					all.push(candidate)
					current[i] = candidate
				}
				const check = () => expect(all.filter(({ leading }) => leading).length, 'leaders').toBeLessThanOrEqual(1)
				start(0)
				start(1)
				for (const e of events) {
					switch (e.do) {
						case 'advance':
							// In small steps, so that a short overlap cannot hide between two polls.
							for (let left = e.ms; left > 0; left -= 500) {
								await clock.advance(Math.min(left, 500))
								check()
							}
							break
						case 'network':
							Object.assign(current[e.who]?.network ?? {}, e.change)
							break
						case 'stop':
							current[e.who]?.stop.abort()
							break
						case 'start':
							// A process that lost or stopped is started again by Kubernetes; one that runs is killed without notice,
							// which for the others is a network that is cut. It still stops itself.
							Object.assign(current[e.who]?.network ?? {}, { cut: true })
							start(e.who)
							break
					}
					check()
				}
				for (const i of [0, 1]) {
					Object.assign(current[i]?.network ?? {}, { cut: true })
					start(i)
				}
				// The slowest request of before is 20 s under way, then a lease runs out, then a few tries.
				for (let i = 0; i < 140; i++) {
					await clock.advance(500)
					check()
				}
				expect(all.filter(({ leading }) => leading)).toHaveLength(1)
				for (const { stop } of all) stop.abort()
				await clock.advance(60_000)
				await Promise.all(all.map(({ ended }) => ended))
			},
		),
		{ numRuns: 200 },
	)
})
