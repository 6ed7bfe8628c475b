import type { Clock } from '../clock.ts'

interface Sleeper {
	due: number
	order: number
	wake: () => void
}

/**
 * A clock that stands still until a test moves it.
 *
 * `advance` wakes the sleepers one by one in the order of their due times and lets everything that follows from each
 * (promises, not real IO) settle before it goes on, so code under test sees each instant exactly once.
 */
export class FakeClock implements Clock {
	#elapsed = 0
	#order = 0
	readonly #start: number
	readonly #sleepers = new Set<Sleeper>()

	/** @param start wall clock at the beginning, milliseconds since the epoch */
	constructor(start = Date.UTC(2026, 0, 1)) {
		this.#start = start
	}

	now(): number {
		return this.#start + this.#elapsed
	}

	monotonic(): number {
		return this.#elapsed
	}

	/** How many sleeps are waiting now. */
	get sleeping(): number {
		return this.#sleepers.size
	}

	sleep(ms: number, signal?: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			if (signal?.aborted) {
				reject(signal.reason)
				return
			}
			const onAbort = () => {
				this.#sleepers.delete(sleeper)
				reject(signal?.reason)
			}
			const sleeper: Sleeper = {
				due: this.#elapsed + Math.max(ms, 0),
				order: this.#order++,
				wake: () => {
					signal?.removeEventListener('abort', onAbort)
					resolve()
				},
			}
			this.#sleepers.add(sleeper)
			signal?.addEventListener('abort', onAbort, { once: true })
		})
	}

	/** Moves time on by `ms`. */
	async advance(ms: number): Promise<void> {
		const end = this.#elapsed + ms
		await settle()
		for (let next = this.#next(end); next; next = this.#next(end)) {
			this.#elapsed = Math.max(this.#elapsed, next.due)
			this.#sleepers.delete(next)
			next.wake()
			await settle()
		}
		this.#elapsed = end
	}

	/** The same time as another observer sees it: wall clock and monotonic zero differ, the rate does not. */
	skewed(wallMs: number, monotonicMs = wallMs): Clock {
		return {
			now: () => this.now() + wallMs,
			monotonic: () => this.monotonic() + monotonicMs,
			sleep: (ms, signal) => this.sleep(ms, signal),
		}
	}

	#next(end: number): Sleeper | undefined {
		let first: Sleeper | undefined
		for (const sleeper of this.#sleepers) {
			if (sleeper.due > end) continue
			if (!first || sleeper.due < first.due || (sleeper.due === first.due && sleeper.order < first.order))
				first = sleeper
		}
		return first
	}
}

/** Lets all promise reactions that are ready now run: an immediate runs only after the microtask queue is empty. */
export function settle(): Promise<void> {
	return new Promise((resolve) => {
		setImmediate(resolve)
	})
}
