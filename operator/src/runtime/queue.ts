import { exponential } from './backoff.ts'
import type { Clock } from './clock.ts'

// client-go's workqueue starts at 5 ms too (DefaultControllerRateLimiter: 5 ms * 2^failures, capped at 1000 s). The cap is
// 5 minutes because design 6 promises that whatever is wrong is tried again at least that often.
const MIN_BACKOFF_MS = 5
const MAX_BACKOFF_MS = 5 * 60_000

export interface KeyedQueueOptions {
	clock: Clock
	minBackoffMs?: number
	maxBackoffMs?: number
	/** Told what a worker threw; the key is already scheduled again. Must not throw. */
	onError?: (key: string, error: unknown) => void
}

export interface AddOptions {
	/** goes before all keys that were added without: nothing has been done for it yet, while the others only go on */
	first?: boolean
}

interface Running {
	/** since when it wants to run once more */
	dirtySince: number | undefined
	first: boolean
}

export interface RunOptions {
	/** How many keys are worked on at once. */
	concurrency: number
	/** Abort to stop: no further key is started. */
	signal: AbortSignal
}

/**
 * A work queue of keys, not of events.
 *
 * A key is in at most one of these places, and that is its only pending run:
 * 1. `first` or `ready`: waits for a worker, first in first out; all of `first` go before those of `ready`.
 * 2. `delayed`: becomes ready at a time; the earliest time asked for wins.
 * 3. `running` with `dirty`: was added while being worked on, runs once more when the worker is done, in its lane.
 * A key that is running is never started a second time, so a worker needs no lock for its key.
 */
export class KeyedQueue {
	readonly #clock: Clock
	readonly #minBackoffMs: number
	readonly #maxBackoffMs: number
	readonly #onError: (key: string, error: unknown) => void
	/** key → monotonic time since which it waits; a Map keeps insertion order */
	readonly #first = new Map<string, number>()
	readonly #ready = new Map<string, number>()
	/** key → monotonic time at which it becomes ready. Scanned for its minimum: thousands of keys, some scans a second. */
	readonly #delayed = new Map<string, number>()
	readonly #running = new Map<string, Running>()
	readonly #failures = new Map<string, number>()
	#wakeWorker: (() => void)[] = []
	#wakeTimer: AbortController | undefined
	#stopped = false

	constructor({ clock, minBackoffMs, maxBackoffMs, onError }: KeyedQueueOptions) {
		this.#clock = clock
		this.#minBackoffMs = minBackoffMs ?? MIN_BACKOFF_MS
		this.#maxBackoffMs = maxBackoffMs ?? MAX_BACKOFF_MS
		this.#onError = onError ?? (() => {})
	}

	/** Runs `key` as soon as a worker is free; once more after the present run if it is running. */
	add(key: string, { first = false }: AddOptions = {}): void {
		if (this.#stopped) return
		this.#delayed.delete(key)
		const now = this.#clock.monotonic()
		const running = this.#running.get(key)
		if (running) {
			running.dirtySince ??= now
			running.first ||= first
			return
		}
		if (this.#first.has(key)) return
		const since = this.#ready.get(key)
		if (since !== undefined) {
			if (!first) return
			// It waits already and has its worker woken; only its place changes.
			this.#ready.delete(key)
			this.#first.set(key, since)
			return
		}
		this.#wait(key, now, first)
	}

	#wait(key: string, since: number, first: boolean): void {
		const lane = first ? this.#first : this.#ready
		lane.set(key, since)
		this.#wakeWorker.shift()?.()
	}

	#isReady(key: string): boolean {
		return this.#first.has(key) || this.#ready.has(key)
	}

	/** Runs `key` no later than `ms` from now. */
	addAfter(key: string, ms: number): void {
		if (this.#stopped) return
		if (!(ms > 0)) {
			this.add(key)
			return
		}
		if (this.#isReady(key) || this.#running.get(key)?.dirtySince !== undefined) return
		const due = this.#clock.monotonic() + ms
		const before = this.#delayed.get(key)
		if (before !== undefined && before <= due) return
		this.#delayed.set(key, due)
		this.#wakeTimer?.abort()
	}

	/** Runs `key` after its own exponential backoff, which grows with each call until `forget`. */
	addRateLimited(key: string): void {
		const failures = this.#failures.get(key) ?? 0
		this.#failures.set(key, failures + 1)
		this.addAfter(key, exponential(this.#minBackoffMs, this.#maxBackoffMs, failures))
	}

	/** Starts the backoff of `key` anew. Call it after success and for objects that are gone, or the count stays for ever. */
	forget(key: string): void {
		this.#failures.delete(key)
	}

	/** Keys that wait for a worker now (a dirty running key counts; delayed keys do not: they are not late). */
	get depth(): number {
		let dirty = 0
		for (const { dirtySince } of this.#running.values()) if (dirtySince !== undefined) dirty++
		return this.#first.size + this.#ready.size + dirty
	}

	/** Keys that wait for their time. */
	get delayed(): number {
		return this.#delayed.size
	}

	/** Keys being worked on. */
	get running(): number {
		return this.#running.size
	}

	/** How long the longest waiting key has waited for a worker, in milliseconds; 0 when none waits. */
	get oldestMs(): number {
		let oldest = this.#clock.monotonic()
		const now = oldest
		for (const since of [...this.#first.values(), ...this.#ready.values()]) oldest = Math.min(oldest, since)
		for (const { dirtySince } of this.#running.values()) oldest = Math.min(oldest, dirtySince ?? now)
		return now - oldest
	}

	/**
	 * Works until `signal` aborts, then lets the running workers finish (they get the same signal) and resolves. Keys that
	 * were waiting are dropped: whoever starts next lists everything anyway. A worker that throws is reported to `onError`
	 * and its key is added with backoff; it never ends the queue. Can run once.
	 */
	async run(
		worker: (key: string, signal: AbortSignal) => Promise<void>,
		{ concurrency, signal }: RunOptions,
	): Promise<void> {
		const stop = () => {
			this.#stopped = true
			for (const wake of this.#wakeWorker.splice(0)) wake()
			this.#wakeTimer?.abort()
		}
		if (signal.aborted) stop()
		signal.addEventListener('abort', stop, { once: true })
		try {
			const workers = Array.from({ length: concurrency }, () => this.#work(worker, signal))
			await Promise.all([this.#promote(), ...workers])
		} finally {
			signal.removeEventListener('abort', stop)
			this.#first.clear()
			this.#ready.clear()
			this.#delayed.clear()
		}
	}

	async #work(worker: (key: string, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
		while (!this.#stopped) {
			const key = this.#first.keys().next().value ?? this.#ready.keys().next().value
			if (key === undefined) {
				await new Promise<void>((resolve) => this.#wakeWorker.push(resolve))
				continue
			}
			if (!this.#first.delete(key)) this.#ready.delete(key)
			const state: Running = { dirtySince: undefined, first: false }
			this.#running.set(key, state)
			try {
				await worker(key, signal)
			} catch (error) {
				this.addRateLimited(key)
				this.#onError(key, error)
			} finally {
				this.#running.delete(key)
				if (state.dirtySince !== undefined && !this.#stopped) {
					this.#delayed.delete(key)
					// It keeps its place in time, so that the age of the oldest key tells the truth.
					this.#wait(key, state.dirtySince, state.first)
				}
			}
		}
	}

	/** Moves delayed keys to ready when their time comes. One sleeper for all, woken when an earlier time is added. */
	async #promote(): Promise<void> {
		while (!this.#stopped) {
			const now = this.#clock.monotonic()
			let next = Number.POSITIVE_INFINITY
			for (const [key, due] of this.#delayed) {
				if (due <= now) this.add(key)
				else next = Math.min(next, due)
			}
			// An hour when nothing waits: the sleep is cut short by the next addAfter anyway.
			const wait = Math.min(next - now, 3_600_000)
			this.#wakeTimer = new AbortController()
			await this.#clock.sleep(wait, this.#wakeTimer.signal).catch(() => {})
		}
	}
}
