// The documented transaction limits of a vault, per window of 10 seconds.
import type { EmulatorClock } from '../clock.ts'

/** What a request costs: making a secret has a limit of its own. */
export type Cost = 'create' | 'other'

export interface ThrottleLimits {
	/** Requests per vault and window. */
	readonly create: number
	readonly other: number
}

/** 300 creates and 4,000 others per vault, region and window. */
const DOCUMENTED_LIMITS: ThrottleLimits = { create: 300, other: 4_000 }
const WINDOW_MS = 10_000
/** The limit of a subscription is this many times the limit of a vault. */
const SUBSCRIPTION_FACTOR = 5

/** Which limit was hit; the service names it in its message. */
export type Throttled = {
	reason: 'VaultRequestTypeLimitReached' | 'SubscriptionRequestTypeLimitReached'
	retryAfterSeconds: number
}

interface Window {
	startedAt: number
	readonly used: { create: number; other: number }
}

/**
 * Fixed windows: a window starts with the first request after the last one ended. The service does not document its
 * algorithm; this one lets exactly the documented number pass and is easy to reason about in a test.
 */
export class Throttle {
	readonly #clock: EmulatorClock
	readonly #windows = new Map<string, Window>()
	limits: ThrottleLimits = DOCUMENTED_LIMITS
	/** Whether 429s carry `Retry-After`: the service's do not. */
	retryAfter = false

	constructor(clock: EmulatorClock) {
		this.#clock = clock
	}

	/** Counts a request, or says which limit it is over; one that is over is not counted. */
	take(vault: string, cost: Cost): Throttled | undefined {
		const now = this.#clock.now()
		const own = this.#window(`vault:${vault}`, now)
		const all = this.#window('subscription', now)
		const limit = this.limits[cost]
		if (own.used[cost] >= limit) return throttled('VaultRequestTypeLimitReached', own, now)
		if (all.used[cost] >= limit * SUBSCRIPTION_FACTOR) return throttled('SubscriptionRequestTypeLimitReached', all, now)
		own.used[cost] += 1
		all.used[cost] += 1
		return undefined
	}

	clear(): void {
		this.#windows.clear()
		this.limits = DOCUMENTED_LIMITS
		this.retryAfter = false
	}

	#window(key: string, now: number): Window {
		const found = this.#windows.get(key)
		if (found && now < found.startedAt + WINDOW_MS && now >= found.startedAt) return found
		const fresh: Window = { startedAt: now, used: { create: 0, other: 0 } }
		this.#windows.set(key, fresh)
		return fresh
	}
}

const throttled = (reason: Throttled['reason'], window: Window, now: number): Throttled => ({
	reason,
	retryAfterSeconds: Math.max(1, Math.ceil((window.startedAt + WINDOW_MS - now) / 1000)),
})
