import { type Lane, VaultError } from '../ports/vault.ts'
import type { Clock, Random } from '../process/clock.ts'
import { createTurns, type Place as Waiting } from '../process/turns.ts'
import { createRate, type RateStyle } from './rate.ts'

/** What a call says about itself when it waits for its turn. */
export interface Turn {
	lane: Lane
	namespace: string
	signal: AbortSignal
}

/** The right to have one request on the wire. Give it back; twice is once. */
export interface Place {
	release(): void
	/** The vault answered 429, bare or with the time it asked for. */
	throttled(retryAfterMs: number | undefined): void
}

/** What one vault may be asked, by all identities together. */
export interface Budget {
	/** @throws VaultError (throttled) when it would take too long, or `signal.reason` */
	acquire(turn: Turn): Promise<Place>
	/** calls per second that are sustained now */
	readonly perSecond: number
	/** Nobody waits, nothing runs, and nothing that was learnt would be lost. */
	readonly idle: boolean
}

export interface BudgetOptions {
	clock: Clock
	/** sustained calls per second */
	maxPerSecond?: number | undefined
	/** how it behaves where it is one of many; default: as one of a few */
	style?: RateStyle | undefined
	random?: Random | undefined
	/** how long a call waited for its turn, also when it gave up */
	observeWait?: ((lane: Lane, seconds: number) => void) | undefined
}

/** A tenth of the 4,000 transactions in 10 s that a vault takes (FACTS.md#throttling): other clusters and people use it as well. */
export const VAULT_CALLS_PER_SECOND = 40
// By Little's law 40 calls a second of 0.2 s each (a slow day; 50 ms is common) are 8 under way. A burst of 400 with 50 ms
// each then takes 2.5 s instead of hitting the vault at once.
const MAX_IN_FLIGHT = 8
// Half of the budget is for refreshes: first syncs have no more places than this, and no two tokens one after the other while a
// refresh waits. With 0.2 s for each call they still use half of the rate, with 50 ms all of it.
const MAX_FIRST_IN_FLIGHT = MAX_IN_FLIGHT / 2
// A blocked vault wakes nobody for this long at most. A bare 429 asks for 1 s, which is waited for; what asks for more
// gets the worker back, whose queue knows better when to come again. The shortest interval of a binding is as long.
const MAX_BLOCKED_MS = 5_000
// All workers waiting for one slow vault would keep the other vaults waiting too. Three deadlines of a request.
const MAX_WAIT_MS = 30_000

interface Waiter {
	lane: Lane
	since: number
	grant(place: Place): void
	fail(error: unknown): void
}

/**
 * Gives out the calls to one vault. Each page, read and page of versions takes one token and one place; the 401 that starts
 * a client's life and the exchange of tokens take none (see session.ts).
 *
 * Namespaces take turns; within one, first syncs go before refreshes. All first syncs together get half of the budget at most
 * while refreshes want the other: a namespace cannot put itself before others by making new bindings.
 */
export function createBudget(options: BudgetOptions): Budget {
	const { clock, maxPerSecond = VAULT_CALLS_PER_SECOND, observeWait = () => {} } = options
	const rate = createRate(maxPerSecond, clock.monotonic(), options.style, options.random)
	const waiting = createTurns<Waiter>()
	const inFlight = { first: 0, refresh: 0 }
	let waitingRefreshes = 0
	/** of the last call that was granted */
	let last: Lane = 'refresh'
	let timer: AbortController | undefined

	const underWay = () => inFlight.first + inFlight.refresh
	const mayGo = ({ first }: Waiting): boolean => {
		if (!first) return true
		return inFlight.first < MAX_FIRST_IN_FLIGHT && (last === 'refresh' || waitingRefreshes === 0)
	}
	const place = (lane: Lane): Place => {
		const began = clock.monotonic()
		let given = false
		inFlight[lane]++
		last = lane
		return {
			release() {
				if (given) return
				given = true
				inFlight[lane]--
				pump()
			},
			throttled(retryAfterMs) {
				rate.throttled(clock.monotonic(), began, retryAfterMs)
				pump()
			},
		}
	}
	const tooLong = (retryAfterMs: number) =>
		new VaultError({ kind: 'throttled', ...(retryAfterMs > 0 ? { retryAfterMs } : {}) })

	/** Grants what can be granted, turns away who would wait too long, and sleeps until either can happen again. */
	const pump = () => {
		const now = clock.monotonic()
		const blocked = rate.blockedMs(now)
		let patience = Number.POSITIVE_INFINITY
		for (const waiter of [...waiting.items()]) {
			const left = waiter.since + MAX_WAIT_MS - now
			if (blocked > MAX_BLOCKED_MS || left <= 0) waiter.fail(tooLong(blocked))
			else patience = Math.min(patience, left)
		}
		const canGo = () => underWay() < MAX_IN_FLIGHT && (waitingRefreshes > 0 || inFlight.first < MAX_FIRST_IN_FLIGHT)
		while (waiting.size > 0 && canGo() && rate.take(now)) {
			const next = waiting.shift(mayGo)
			next?.grant(place(next.lane))
		}
		timer?.abort()
		timer = undefined
		if (waiting.size === 0) return
		// With all places taken the next release pumps.
		const next = canGo() ? rate.waitMs(now) : Number.POSITIVE_INFINITY
		timer = new AbortController()
		clock.sleep(Math.min(next, patience), timer.signal).then(pump, () => {})
	}

	return {
		acquire({ lane, namespace, signal }) {
			return new Promise((resolve, reject) => {
				if (signal.aborted) {
					reject(signal.reason)
					return
				}
				const since = clock.monotonic()
				const at: Waiting = { group: namespace, subgroup: '', first: lane === 'first' }
				const end = () => {
					if (lane === 'refresh') waitingRefreshes--
					signal.removeEventListener('abort', abort)
					observeWait(lane, (clock.monotonic() - since) / 1000)
				}
				const waiter: Waiter = {
					lane,
					since,
					grant(given) {
						end()
						resolve(given)
					},
					fail(error) {
						waiting.remove(at, waiter)
						end()
						reject(error)
					},
				}
				const abort = () => waiter.fail(signal.reason)
				signal.addEventListener('abort', abort, { once: true })
				waiting.add(at, waiter)
				if (lane === 'refresh') waitingRefreshes++
				pump()
			})
		},
		get perSecond() {
			return rate.perSecond(clock.monotonic())
		},
		get idle() {
			return underWay() === 0 && waiting.size === 0 && rate.isFull(clock.monotonic())
		},
	}
}
