import type { Lane } from '../ports/vault.ts'

/** How fast one vault is asked: a token bucket whose rate halves when the vault throttles and comes back second by second. */
export interface Rate {
	/** Takes the token of one call; false when there is none yet. */
	take(now: number, lane?: Lane): boolean
	/** Milliseconds until the next token; 0 when there is one. */
	waitMs(now: number, lane?: Lane): number
	/** Whether first syncs have tokens besides: the vault has not throttled for long. */
	isCalm(now: number): boolean
	/** Milliseconds until calls are sent again at all; 0 when they are. */
	blockedMs(now: number): number
	/**
	 * The vault answered 429.
	 *
	 * @param began when that call was sent
	 * @param retryAfterMs what the vault asked for; undefined for a bare 429
	 */
	throttled(now: number, began: number, retryAfterMs: number | undefined): void
	/** calls per second that are sustained now */
	perSecond(now: number): number
	/** Whether nothing would be forgotten with it: a new one would be just as full and as fast. */
	isFull(now: number): boolean
}

/** How a rate behaves. The operator is one of a few that ask a vault; of nodes there may be hundreds. */
export interface RateStyle {
	/** seconds of the highest rate that may come at once */
	readonly burstSeconds: number
	/** calls per second that a vault that throttles all the time is still asked */
	readonly minPerSecond: number
	/** calls per second that are added each second after a 429 */
	readonly growth: number
	/** A bare 429 is waited out for between one and so many seconds, by chance. */
	readonly maxBareWaitMs: number
	/** for how long a call waits for its turn before it is turned away, milliseconds */
	readonly maxWaitMs: number
}

export interface RateOptions extends RateStyle {
	readonly maxPerSecond: number
}

export interface RateExtras {
	/** default: as one of a few */
	readonly style?: RateStyle | undefined
	/** calls per second besides, for first syncs, until the vault complains; one second's worth at once. Default: none */
	readonly morePerSecond?: number | undefined
	/** of how long a bare 429 is waited out; default: no chance in it */
	readonly random?: (() => number) | undefined
}

// The service counts transactions in windows of 10 s (FACTS.md#throttling), so ten seconds' worth may come at once: with the
// default of 40 calls a second that is 400 of its 4,000, and 800 in the worst window (a full bucket and what flows in).
const BURST_SECONDS = 10
// What a vault gave to nobody else for so long it may give to first syncs. Long enough that who shares the vault has had a turn.
const CALM_MS = 10 * 60_000
// Slower than a call a second nothing would be found out any more.
const MIN_PER_SECOND = 1
// What back-off guidance begins with (FACTS.md#throttling). Real 429s carry no Retry-After.
const BARE_WAIT_MS = 1_000

// Who waits holds no worker (run/release-after.ts). A thousand passes that do, of four calls each, are served in 102 s at 40 calls a second.
const MAX_WAIT_MS = 120_000

export const ALONE: RateStyle = {
	burstSeconds: BURST_SECONDS,
	minPerSecond: MIN_PER_SECOND,
	growth: 1,
	maxBareWaitMs: BARE_WAIT_MS,
	maxWaitMs: MAX_WAIT_MS,
}

/**
 * For the node role, which knows nothing of the other nodes: a small share, and a burst for a first mount. When hundreds start at once the
 * vault says so by 429s. `npm run bench -- nodes` has the figures.
 */
export const NODE_RATE: RateOptions = {
	maxPerSecond: 10,
	burstSeconds: 10,
	// 2,000 nodes, each as slow as it gets, are what a vault takes (400 a second).
	minPerSecond: 0.2,
	// 300 nodes that come back by one a second each would be at the limit again after 1.3 s; so after 7.
	growth: 0.2,
	// Otherwise all that were refused in one moment come again in one moment.
	maxBareWaitMs: 3_000,
	// A pod waits for it, which may have its values offline.
	maxWaitMs: 30_000,
}

/**
 * All times are monotonic milliseconds and only grow. Halving on 429 and growing by one call a second each second is TCP's
 * AIMD: several clusters on one vault that know nothing of each other come to equal shares.
 *
 * @param maxPerSecond sustained calls per second of a vault that does not complain
 */
export function createRate(
	maxPerSecond: number,
	start: number,
	{ style = ALONE, morePerSecond = 0, random = () => 0 }: RateExtras = {},
): Rate {
	const { burstSeconds, minPerSecond, growth: growing, maxBareWaitMs } = style
	const burst = maxPerSecond * burstSeconds
	const floor = Math.min(minPerSecond, maxPerSecond)
	let tokens = burst
	let rate = maxPerSecond
	/** `tokens` and `rate` are those of this time; in the future while the vault wants to be left alone */
	let at = start
	let more = { tokens: morePerSecond, at: start }
	let throttledAt = Number.NEGATIVE_INFINITY
	let halvedAt = Number.NEGATIVE_INFINITY

	/** The rate grows until it is the highest: seconds of growth, and tokens after `seconds`. */
	const growth = () => (maxPerSecond - rate) / growing
	const earned = (seconds: number) => {
		const grown = Math.min(seconds, growth())
		return rate * grown + (growing * grown ** 2) / 2 + maxPerSecond * (seconds - grown)
	}
	const move = (now: number) => {
		if (now <= at) return
		const seconds = (now - at) / 1000
		tokens = Math.min(burst, tokens + earned(seconds))
		rate = Math.min(maxPerSecond, rate + growing * seconds)
		at = now
	}
	const isCalm = (now: number) => morePerSecond > 0 && now - throttledAt >= CALM_MS
	const moreOf = (now: number, lane: Lane): number => {
		if (lane !== 'first' || !isCalm(now)) return 0
		if (now > more.at) {
			const earnt = (morePerSecond * (now - more.at)) / 1000
			more = { tokens: Math.min(morePerSecond, more.tokens + earnt), at: now }
		}
		return more.tokens
	}
	return {
		isCalm,
		take(now, lane = 'refresh') {
			move(now)
			if (now < at) return false
			if (moreOf(now, lane) >= 1) {
				more.tokens--
				return true
			}
			if (tokens < 1) return false
			tokens--
			return true
		},
		waitMs(now, lane = 'refresh') {
			move(now)
			if (lane === 'first' && isCalm(now)) {
				const missing = 1 - Math.max(moreOf(now, lane), tokens)
				return missing <= 0 ? 0 : Math.ceil((missing * 1000) / (morePerSecond + rate)) + 1
			}
			const blocked = Math.max(at - now, 0)
			const missing = 1 - tokens
			if (missing <= 0) return blocked
			// Solves earned(x) = missing, while the rate grows and after.
			const soon = (Math.sqrt(rate ** 2 + 2 * growing * missing) - rate) / growing
			const seconds = soon <= growth() ? soon : growth() + (missing - earned(growth())) / maxPerSecond
			// A millisecond more for rounding: timers fire by whole ones, and too early is one more round for nothing.
			return blocked + Math.ceil(seconds * 1000) + 1
		},
		blockedMs: (now) => Math.max(at - now, 0),
		throttled(now, began, retryAfterMs) {
			move(now)
			// Calls sent before the last halving were too fast for the old rate; they say nothing about the new one.
			if (began > halvedAt) {
				rate = Math.max(floor, rate / 2)
				halvedAt = now
			}
			tokens = 0
			throttledAt = now
			const bareMs = BARE_WAIT_MS + random() * (maxBareWaitMs - BARE_WAIT_MS)
			at = Math.max(at, now + Math.max(retryAfterMs ?? 0, bareMs))
		},
		perSecond(now) {
			move(now)
			return rate
		},
		isFull(now) {
			move(now)
			const isForgiven = morePerSecond === 0 || isCalm(now)
			return now >= at && tokens >= burst && rate >= maxPerSecond && isForgiven
		},
	}
}
