import { type Lane, VaultError } from '../ports/vault.ts'
import type { Clock, Random } from '../process/clock.ts'
import { createTurns, type Place as Waiting } from '../process/turns.ts'
import { ALONE, createRate, type RateStyle } from './rate.ts'
import type { Shares } from './shares.ts'

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
	/**
	 * A request that takes no place is under way, and calls will follow it: the vault counts among those that share. Call what it answers
	 * when that request has ended.
	 */
	expect(): () => void
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
	/** calls per second besides, for first syncs of a vault that does not throttle; default: none */
	morePerSecond?: number | undefined
	/** of the requests to all vaults together; default: no bound but this vault's own */
	shares?: Shares | undefined
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
// Of first syncs while the vault is calm and no refresh waits: 160 a second of 0.1 s each.
const MAX_CALM_IN_FLIGHT = 16
/**
 * Times the sustained rate, for first syncs until the vault throttles: with the default 160 calls a second. In the worst window of
 * 10 s that is 1,640 calls besides the 800 of the budget itself (rate.ts), of the 4,000 that a vault takes.
 */
export const FIRST_TIMES = 4
// A blocked vault wakes nobody for this long at most. A bare 429 asks for 1 s, which is waited for; what asks for more
// gets the worker back, whose queue knows better when to come again. The shortest interval of a binding is as long.
const MAX_BLOCKED_MS = 5_000

// Made once: an error takes its stack with it, and calls come and go all the time.
const WOKEN = new Error('nothing is waited for')

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
 * while refreshes want the other: a namespace cannot put itself before others by making new bindings. While none does, and the vault
 * has not throttled for long, first syncs are faster than the budget; they never take a place or a token of a refresh for that.
 */
export function createBudget(options: BudgetOptions): Budget {
	const { clock, maxPerSecond = VAULT_CALLS_PER_SECOND, observeWait = () => {} } = options
	const rate = createRate(maxPerSecond, clock.monotonic(), options)
	const { maxWaitMs } = options.style ?? ALONE
	const shareOf = () => options.shares?.each ?? Number.POSITIVE_INFINITY
	const vault = Symbol('vault')
	/** whether this vault counts among those that share */
	let asked = false
	const waiting = createTurns<Waiter>()
	/** the same, those that came first are first: all of them have the same patience */
	const inOrder = new Set<Waiter>()
	const inFlight = { first: 0, refresh: 0 }
	let expected = 0
	let waitingRefreshes = 0
	/** of the last call that was granted */
	let last: Lane = 'refresh'
	/** pumps at that time, or earlier: what wakes too early only looks */
	let timer: { readonly at: number; readonly stop: AbortController } | undefined

	const underWay = () => inFlight.first + inFlight.refresh
	const places = () => Math.min(MAX_IN_FLIGHT, shareOf())
	const ofFirst = () => {
		const half = Math.max(1, Math.floor(places() / 2))
		if (waitingRefreshes > 0) return half
		if (rate.isCalm(clock.monotonic())) return Math.min(MAX_CALM_IN_FLIGHT, shareOf())
		return Math.min(MAX_FIRST_IN_FLIGHT, shareOf())
	}
	const hasPlace = (lane: Lane) => {
		if (lane === 'first') return inFlight.first < ofFirst()
		// Of the places that first syncs have while they are fast, only those that they have otherwise count.
		return inFlight.refresh + Math.min(inFlight.first, Math.max(1, Math.floor(places() / 2))) < places()
	}
	const mayGo = (lane: Lane): boolean =>
		hasPlace(lane) && (lane === 'refresh' || last === 'refresh' || waitingRefreshes === 0)
	const laneOf = ({ first }: Waiting): Lane => (first ? 'first' : 'refresh')
	/** Among the vaults that share while it is asked for anything. */
	const count = (isAsked = underWay() + waiting.size + expected > 0) => {
		if (isAsked === asked) return
		asked = isAsked
		options.shares?.asks(vault, isAsked)
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

	const wakeAt = (now: number, ms: number) => {
		if (timer && timer.at <= now + ms) return
		timer?.stop.abort(WOKEN)
		const own = { at: now + ms, stop: new AbortController() }
		timer = own
		const wake = () => {
			if (timer === own) timer = undefined
			pump()
		}
		clock.sleep(ms, own.stop.signal).then(wake, () => {})
	}
	const rest = () => {
		count()
		timer?.stop.abort(WOKEN)
		timer = undefined
	}
	/** Turns away who would wait too long. A vault may have thousands that wait: only those are looked at. @returns patience of the first other one */
	const turnAway = (now: number, blocked: number): number => {
		for (const waiter of inOrder) {
			const left = waiter.since + maxWaitMs - now
			if (blocked <= MAX_BLOCKED_MS && left > 0) return left
			waiter.fail(tooLong(blocked))
		}
		return Number.POSITIVE_INFINITY
	}
	/** Grants what can be granted, turns away who would wait too long, and sleeps until either can happen again. */
	const pump = () => {
		if (waiting.size === 0) return rest()
		const now = clock.monotonic()
		const patience = turnAway(now, rate.blockedMs(now))
		const lanes = (): Lane[] => [
			...(waitingRefreshes > 0 && mayGo('refresh') ? (['refresh'] as const) : []),
			...(waiting.size > waitingRefreshes && mayGo('first') ? (['first'] as const) : []),
		]
		const hasToken = (lane: Lane) => rate.waitMs(now, lane) === 0
		while (lanes().some(hasToken)) {
			const next = waiting.shift((at) => mayGo(laneOf(at)) && hasToken(laneOf(at)))
			if (!next || !rate.take(now, next.lane)) break
			next.grant(place(next.lane))
		}
		if (waiting.size === 0) return rest()
		count()
		// With all places taken the next release pumps.
		const next = Math.min(...lanes().map((lane) => rate.waitMs(now, lane)))
		wakeAt(now, Math.min(next, patience))
	}

	return {
		acquire({ lane, namespace, signal }) {
			return new Promise((resolve, reject) => {
				if (signal.aborted) {
					reject(signal.reason)
					return
				}
				const since = clock.monotonic()
				count(true)
				if (waiting.size === 0 && mayGo(lane) && rate.take(since, lane)) {
					observeWait(lane, 0)
					resolve(place(lane))
					return
				}
				const at: Waiting = { group: namespace, subgroup: '', first: lane === 'first' }
				const end = () => {
					inOrder.delete(waiter)
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
				const abort = () => {
					waiter.fail(signal.reason)
					count()
				}
				signal.addEventListener('abort', abort, { once: true })
				waiting.add(at, waiter)
				inOrder.add(waiter)
				if (lane === 'refresh') waitingRefreshes++
				pump()
			})
		},
		expect() {
			expected++
			count()
			return () => {
				expected--
				count()
			}
		},
		get perSecond() {
			return rate.perSecond(clock.monotonic())
		},
		get idle() {
			return underWay() + expected === 0 && waiting.size === 0 && rate.isFull(clock.monotonic())
		},
	}
}
