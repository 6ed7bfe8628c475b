import type { Clock } from './clock.ts'

// setTimeout takes at most 2^31 - 1 ms (24.8 days), and calls at once for more.
const MAX_WAIT_MS = 86_400_000
// As many as the fallback holds; names are remembered besides, because several lead to one secret.
const MAX_NAMES = 1_000

/**
 * Texts of names beyond the mounts that may be served as they are, so that such a read costs what a mounted one costs. A timer removes what
 * is over its time: no read looks at a clock.
 */
export class HotTexts {
	readonly texts: Map<string, string> = new Map()
	readonly #until = new Map<string, number>()
	readonly #clock: Clock
	#cancel: () => void = () => {}
	#sweepAt = Number.POSITIVE_INFINITY

	constructor(clock: Clock) {
		this.#clock = clock
	}

	/**
	 * What the name gives from now on: what it gave before ends in any case.
	 *
	 * @param text undefined when there is no such secret
	 * @param until monotonic milliseconds
	 */
	set(name: string, text: string | undefined, until: number): void {
		const now = this.#clock.monotonic()
		this.texts.delete(name)
		this.#until.delete(name)
		// "__proto__" cannot simply be assigned to an answer.
		if (text === undefined || until <= now || name === '__proto__' || this.texts.size >= MAX_NAMES) return
		this.texts.set(name, text)
		this.#until.set(name, until)
		if (until < this.#sweepAt) this.#schedule(until, now)
	}

	clear(): void {
		this.texts.clear()
		this.#until.clear()
		this.#cancel()
		this.#sweepAt = Number.POSITIVE_INFINITY
	}

	#schedule(at: number, now: number): void {
		this.#cancel()
		this.#sweepAt = at
		// A timer counts whole milliseconds and may come a fraction early.
		this.#cancel = this.#clock.after(Math.min(Math.max(Math.ceil(at - now), 1), MAX_WAIT_MS), () => this.#sweep())
	}

	#sweep(): void {
		const now = this.#clock.monotonic()
		let next = Number.POSITIVE_INFINITY
		for (const [name, until] of this.#until) {
			if (until > now) next = Math.min(next, until)
			else {
				this.texts.delete(name)
				this.#until.delete(name)
			}
		}
		this.#sweepAt = Number.POSITIVE_INFINITY
		if (next < Number.POSITIVE_INFINITY) this.#schedule(next, now)
	}
}
