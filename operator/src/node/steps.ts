import { createBackoff } from '../process/backoff.ts'
import type { Clock, Random } from '../process/clock.ts'

/** What is followed, and who is told. */
export interface Following {
	readonly clock: Clock
	readonly random: Random
	/** whether this process still is the one that serves the node: another one writes to the same volumes otherwise */
	isServing(): Promise<boolean>
	/** Another process has taken the node over, or is gone again. */
	onServing(isServing: boolean): void
	/** Whether something came that calls for a step before it is due. */
	isNew(): boolean
	/** Counts what may be new. */
	version(): number
	/** Resolves when `version` is another one. */
	changed(version: number, signal: AbortSignal): Promise<void>
	/** @returns monotonic time of the next one */
	step(): Promise<number>
	/** A step threw: a disk that is full, or a bug of ours. */
	onFailure(error: unknown): void
}

// An upgrade takes seconds; one that is taken back is noticed this much later.
const AWAY_MS = 1_000
// What failed may be well a moment later. What fails for ever is logged twice a minute.
const FAILED = { minMs: 1_000, maxMs: 30_000, resetAfterMs: 60_000 }

/**
 * Steps one after the other until the signal aborts, each when it is due or something is new. Nothing else ends it: whatever is
 * thrown in here is told in one place, and it goes on.
 */
export async function follow(following: Following, signal: AbortSignal): Promise<void> {
	const { clock, random } = following
	const backoff = createBackoff({ clock, random, ...FAILED })
	let next = clock.monotonic()
	let isServing = true
	while (!signal.aborted) {
		try {
			const was: boolean = isServing
			isServing = await following.isServing()
			if (isServing !== was) {
				following.onServing(isServing)
				next = clock.monotonic()
			}
			if (!isServing) {
				await clock.sleep(AWAY_MS, signal)
				continue
			}
			const version = following.version()
			if (clock.monotonic() >= next || following.isNew()) next = await following.step()
			await waitFor(following, version, next, signal)
		} catch (error) {
			if (signal.aborted) return
			following.onFailure(error)
			await clock.sleep(backoff.next(), signal).catch(() => {})
		}
	}
}

async function waitFor({ clock, changed }: Following, version: number, next: number, signal: AbortSignal) {
	const timer = new AbortController()
	const waking = AbortSignal.any([signal, timer.signal])
	// Rejects when it is taken back; the loop looks at the signal.
	const time = clock.sleep(next - clock.monotonic(), waking).catch(() => {})
	try {
		await Promise.race([time, changed(version, waking)])
	} finally {
		timer.abort()
	}
}
