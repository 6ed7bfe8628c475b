import type { Clock } from '../../operator/src/process/clock.ts'

interface Sleeper {
	readonly due: number
	readonly wake: () => void
}

/** Whoever is due within a step wakes with it: fewer steps, and no figure of a bench is finer. */
const STEP_MS = 5

/** Rounds of a real millisecond in which nothing happens and nobody sleeps. */
const IDLE_ROUNDS = 2_000

/** A clock that moves on only when nothing is under way any more, files that are written included. */
export class StillClock implements Clock {
	#elapsed = 0
	readonly #sleepers = new Map<number, Set<Sleeper>>()

	now(): number {
		return Date.UTC(2026, 0, 1) + this.#elapsed
	}

	monotonic(): number {
		return this.#elapsed
	}

	sleep(ms: number, signal?: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			if (signal?.aborted) return reject(signal.reason)
			if (ms === Number.POSITIVE_INFINITY) {
				signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
				return
			}
			const due = Math.ceil((this.#elapsed + Math.max(ms, 0)) / STEP_MS) * STEP_MS
			const at = this.#sleepers.get(due) ?? new Set()
			this.#sleepers.set(due, at)
			const abort = () => {
				at.delete(sleeper)
				reject(signal?.reason)
			}
			const sleeper = {
				due,
				wake: () => {
					signal?.removeEventListener('abort', abort)
					resolve()
				},
			}
			at.add(sleeper)
			signal?.addEventListener('abort', abort, { once: true })
		})
	}

	/** Moves on until this is true. @throws when nobody sleeps any more, so that it never will be */
	async until(isTrue: () => boolean): Promise<void> {
		await settled()
		for (let idle = 0; !isTrue(); ) {
			if (await this.#step(Number.POSITIVE_INFINITY)) idle = 0
			else if (idle++ > IDLE_ROUNDS) throw new Error('nothing will happen any more')
			else await new Promise((resolve) => setTimeout(resolve, 1))
		}
	}

	async advance(ms: number): Promise<void> {
		const end = this.#elapsed + ms
		await settled()
		while (await this.#step(end));
		this.#elapsed = end
	}

	async #step(end: number): Promise<boolean> {
		let next = Number.POSITIVE_INFINITY
		for (const [due, at] of this.#sleepers) {
			if (at.size === 0) this.#sleepers.delete(due)
			else next = Math.min(next, due)
		}
		if (next > end || next === Number.POSITIVE_INFINITY) return false
		this.#elapsed = Math.max(this.#elapsed, next)
		const due = this.#sleepers.get(next) ?? new Set()
		this.#sleepers.delete(next)
		for (const { wake } of due) wake()
		await settled()
		return true
	}
}

const isWriting = () => process.getActiveResourcesInfo().some((resource) => /^FS|^FileHandle/.test(resource))

/** Resolves when no promise and no file operation is under way: twice in a row, a real millisecond apart. */
async function settled(): Promise<void> {
	for (let quiet = 0; quiet < 2; quiet++) {
		await new Promise((resolve) => setImmediate(resolve))
		while (isWriting()) {
			quiet = 0
			await new Promise((resolve) => setImmediate(resolve))
		}
		await new Promise((resolve) => setTimeout(resolve, 1))
	}
}
