import { exponential } from './backoff.ts'
import type { Clock } from './clock.ts'
import { countIn } from './counts.ts'
import { createReleasedKeys, type Releasable, type ReleasedKeys } from './released.ts'
import { createTurns, type Place } from './turns.ts'

// client-go's workqueue starts at 5 ms too (DefaultControllerRateLimiter: 5 ms * 2^failures, capped at 1000 s). The cap is
// 5 minutes because the README promises that whatever is wrong is tried again at least that often.
const MIN_BACKOFF_MS = 5
const MAX_BACKOFF_MS = 5 * 60_000

export interface KeyedQueueOptions {
	clock: Clock
	/** who shares the workers in turns, and what within it; asked when a key begins to wait. Default: all keys are one group */
	placeOf?: (key: string) => Pick<Place, 'group' | 'subgroup'>
	minBackoffMs?: number
	maxBackoffMs?: number
	/** Told what a worker threw; the key is already scheduled again. Must not throw. */
	onError?: (key: string, error: unknown) => void
}

export interface AddOptions {
	/** goes before all keys of its group that were added without: nothing has been done for it yet, the others only go on */
	first?: boolean
}

// Made once: an error takes its stack with it, and keys come and go all the time.
const WOKEN = new Error('an earlier key, or the end')

interface Waiting {
	readonly key: string
	readonly place: Place
	readonly since: number
}

interface Running extends Releasable {
	readonly place: Place
	/** waits that the worker was given back for */
	waits: number
	/** it waits until it may count as one that has read something */
	growing: Promise<void> | undefined
	/** since when its group has not been charged for it */
	since: number
	/** since when it wants to run once more */
	dirtySince: number | undefined
	first: boolean
	onAgain: () => void
}

export interface ReleaseOptions {
	ifRoom?: boolean
	isLight?: boolean
}

/** What work may know and say of the worker that it has. */
export interface Turn {
	/** how long the key waited for a worker after its time had come: with an interval or more, the interval is not kept */
	readonly lateMs: number
	/** the run before threw */
	readonly isRetry: boolean
	/**
	 * Waits for something that has its own turns and needs no worker, and gives the worker back. The key goes on without one, in turns of
	 * others' making. For its group it counts until its end, for its subgroup not.
	 *
	 * @param options `ifRoom`: keeps the worker when there are too many without one. `isLight`: it has read nothing that takes memory
	 */
	release<T>(until: () => Promise<T>, options?: ReleaseOptions): Promise<T>
	/** Calls it each time that the key is added while it runs: what it was begun for may not be true any more. */
	onAgain(listener: () => void): void
}

export type Work = (key: string, signal: AbortSignal, turn: Turn) => Promise<void>

export interface RunOptions {
	/** How many keys are worked on at once. */
	concurrency: number
	/** How many of one subgroup, of all groups together; default: as many. */
	perSubgroup?: number
	/** Abort to stop: no further key is started. */
	signal: AbortSignal
}

/**
 * A work queue of keys, not of events.
 *
 * A key is in at most one of these places, and that is its only pending run:
 * 1. `waiting`: waits for a worker. Groups take turns by how long they had workers; in one, keys that are `first` go before others, subgroups take turns
 *    and keys are first in first out (turns.ts has the bound).
 * 2. `delayed`: becomes ready at a time; the earliest time asked for wins.
 * 3. `running` with `dirty`: was added while being worked on, runs once more when the worker is done, in its lane.
 * A key that is running is never started a second time, so a worker needs no lock for its key.
 *
 * Turns alone do not help against work that hangs: what runs is never taken away. So workers are kept back:
 * 1. A subgroup has at most `perSubgroup` of them, in all groups together.
 * 2. A group gets another one only while more are free than it has. One group alone has half of them, and who comes new finds
 *    a free one; n groups that want all come to equal shares and leave one of n+1 free; where groups are many all workers work.
 *    (Known for buffers of switches as a dynamic threshold: Choudhury and Hahne, 1998.) What it does not hold off: of 32
 *    workers the first five groups to hang have 16, 8, 4, 2 and 1, the next one waits until one of them times out.
 */
export class KeyedQueue {
	readonly #clock: Clock
	readonly #minBackoffMs: number
	readonly #maxBackoffMs: number
	readonly #onError: (key: string, error: unknown) => void
	readonly #placeOf: (key: string) => Pick<Place, 'group' | 'subgroup'>
	readonly #waiting = new Map<string, Waiting>()
	readonly #turns = createTurns<Waiting>()
	/** key → monotonic time at which it becomes ready. Scanned for its minimum: thousands of keys, some scans a second. */
	readonly #delayed = new Map<string, number>()
	readonly #running = new Map<string, Running>()
	readonly #failures = new Map<string, number>()
	/** keys that run without a worker */
	#released: ReleasedKeys = createReleasedKeys(1)
	/** how many of each run, those without a worker included */
	readonly #groups = new Map<string, number>()
	/** how many of each have a worker */
	readonly #subgroups = new Map<string, number>()
	/** starts what may be started; nothing before `run` */
	#pump: () => void = () => {}
	#wakeTimer: AbortController | undefined
	/** when it wakes, monotonic */
	#wakeAt = Number.POSITIVE_INFINITY
	#stopped = false

	constructor({ clock, placeOf, minBackoffMs, maxBackoffMs, onError }: KeyedQueueOptions) {
		this.#clock = clock
		this.#placeOf = placeOf ?? (() => ({ group: '', subgroup: '' }))
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
			running.onAgain()
			return
		}
		const before = this.#waiting.get(key)
		if (before && (before.place.first || !first)) return
		if (before) this.#turns.remove(before.place, before)
		// Its place changes, not the time since which it waits.
		this.#wait(key, before?.since ?? now, first)
	}

	#wait(key: string, since: number, first: boolean): void {
		const waiting = { key, since, place: { ...this.#placeOf(key), first } }
		this.#waiting.set(key, waiting)
		this.#turns.add(waiting.place, waiting)
		this.#pump()
	}

	/** Runs `key` no later than `ms` from now. */
	addAfter(key: string, ms: number): void {
		if (this.#stopped) return
		if (!(ms > 0)) {
			this.add(key)
			return
		}
		if (this.#waiting.has(key) || this.#running.get(key)?.dirtySince !== undefined) return
		const due = this.#clock.monotonic() + ms
		const before = this.#delayed.get(key)
		if (before !== undefined && before <= due) return
		this.#delayed.set(key, due)
		// What is later is found when it wakes: otherwise each of thousands of keys would look through all of them.
		if (due < this.#wakeAt) this.#wakeTimer?.abort(WOKEN)
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
		return this.#waiting.size + dirty
	}

	/** Whether a key that goes `first` waits for a worker. */
	get firstWaits(): boolean {
		for (const { place } of this.#waiting.values()) if (place.first) return true
		return false
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
		for (const { since } of this.#waiting.values()) oldest = Math.min(oldest, since)
		for (const { dirtySince } of this.#running.values()) oldest = Math.min(oldest, dirtySince ?? now)
		return now - oldest
	}

	/**
	 * Works until `signal` aborts, then lets the running workers finish (they get the same signal) and resolves. Keys that
	 * were waiting are dropped: whoever starts next lists everything anyway. A worker that throws is reported to `onError`
	 * and its key is added with backoff; it never ends the queue. Can run once.
	 */
	async run(work: Work, { concurrency, perSubgroup = concurrency, signal }: RunOptions): Promise<void> {
		const under = new Set<Promise<void>>()
		this.#released = createReleasedKeys(concurrency)
		const mayGo = ({ group, subgroup }: Place) => {
			const free = concurrency - this.#working
			const has = this.#groups.get(group) ?? 0
			if (has > 0 && !this.#released.hasRoom(false)) return false
			return has < free && (this.#subgroups.get(subgroup) ?? 0) < perSubgroup
		}
		this.#pump = () => {
			while (!this.#stopped && this.#working < concurrency) {
				const next = this.#turns.shift(mayGo)
				if (!next) return
				this.#waiting.delete(next.key)
				const one: Promise<void> = this.#work(next, work, signal).finally(() => under.delete(one))
				under.add(one)
			}
		}
		const stopped = Promise.withResolvers<void>()
		const stop = () => {
			this.#stopped = true
			this.#wakeTimer?.abort(WOKEN)
			this.#released.end()
			stopped.resolve()
		}
		if (signal.aborted) stop()
		signal.addEventListener('abort', stop, { once: true })
		try {
			this.#pump()
			await Promise.all([this.#promote(), stopped.promise])
			await Promise.all(under)
		} finally {
			signal.removeEventListener('abort', stop)
			this.#pump = () => {}
			for (const each of this.#waiting.values()) this.#turns.remove(each.place, each)
			this.#waiting.clear()
			this.#delayed.clear()
		}
	}

	async #work({ key, place, since }: Waiting, work: Work, signal: AbortSignal): Promise<void> {
		const began = this.#clock.monotonic()
		const state: Running = {
			...{ place, waits: 0, released: undefined, growing: undefined },
			...{ since: began, dirtySince: undefined, first: false, onAgain: () => {} },
		}
		this.#running.set(key, state)
		countIn(this.#groups, place.group, 1)
		countIn(this.#subgroups, place.subgroup, 1)
		try {
			await work(key, signal, {
				lateMs: began - since,
				isRetry: this.#failures.has(key),
				release: (until, options) => this.#release(state, until, options),
				onAgain: (listener) => {
					state.onAgain = listener
				},
			})
		} catch (error) {
			this.addRateLimited(key)
			this.#onError(key, error)
		} finally {
			this.#running.delete(key)
			this.#charge(state)
			countIn(this.#groups, place.group, -1)
			this.#countAs(state, undefined)
			countIn(this.#subgroups, place.subgroup, -1)
			if (state.dirtySince !== undefined && !this.#stopped) {
				this.#delayed.delete(key)
				// It keeps its place in time, so that the age of the oldest key tells the truth.
				this.#wait(key, state.dirtySince, state.first)
			} else this.#pump()
		}
	}

	/** Keys that have a worker. */
	get #working(): number {
		return this.#running.size - this.#released.size
	}

	async #release<T>(
		state: Running,
		until: () => Promise<T>,
		{ ifRoom = false, isLight = false }: ReleaseOptions = {},
	): Promise<T> {
		if (state.released === undefined && ifRoom && !this.#released.hasRoom(isLight)) return until()
		if (state.waits++ === 0) this.#charge(state)
		try {
			if (state.released === undefined) this.#countAs(state, isLight ? 'light' : 'heavy')
			this.#pump()
			if (!isLight && state.released === 'light') {
				state.growing ??= this.#released.growHeavy(state)
				await state.growing
			}
			return await until()
		} finally {
			// What it does from now on is counted for its group as before; a worker that it took again would be missed by all who wait.
			if (--state.waits === 0) state.since = this.#clock.monotonic()
		}
	}

	#countAs(state: Running, released: Running['released']): void {
		countIn(this.#subgroups, state.place.subgroup, (state.released ? 1 : 0) - (released ? 1 : 0))
		this.#released.count(state, released)
	}

	/** What its group had of a worker, or used after that. */
	#charge({ place, since }: Running): void {
		this.#turns.used(place.group, this.#clock.monotonic() - since)
	}

	/** Moves delayed keys to ready when their time comes. One sleeper for all, an hour when nothing waits; an earlier time wakes it. */
	async #promote(): Promise<void> {
		while (!this.#stopped) {
			const now = this.#clock.monotonic()
			let next = Number.POSITIVE_INFINITY
			for (const [key, due] of this.#delayed) {
				if (due <= now) this.add(key)
				else next = Math.min(next, due)
			}
			const wait = Math.min(next - now, 3_600_000)
			this.#wakeAt = now + wait
			this.#wakeTimer = new AbortController()
			await this.#clock.sleep(wait, this.#wakeTimer.signal).catch(() => {})
		}
	}
}
