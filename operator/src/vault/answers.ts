import type { Clock } from '../process/clock.ts'

/** An answer that may be given again, in whatever memory holds it. */
export interface Kept {
	arrivedAt: number
	/** that it holds on to, about */
	bytes: number
	/** Takes it out of the memory that holds it. */
	drop(): void
}

/** The answers that the sessions of this process keep for each other's bindings. Bounds how long, and how many bytes. */
export interface Answers {
	keep(answer: Kept): void
	/** It was replaced, or its session is closed. */
	forget(answer: Kept): void
	/** Drops what is too old. There is no timer: called at each question of any session, and by `prune`. */
	sweep(): void
	/** that are held */
	readonly bytes: number
}

// Bindings of one session look at a common tick and ask within seconds of each other, and so do two polls of one pass. What
// is older would hardly be asked for again, and a value should not lie about.
const KEEP_MS = 30_000
// Sixteen Secrets of the greatest size. The pod may use 384 MiB (deploy/kustomize/base/deployment.yaml).
const MAX_BYTES = 16 * 1024 * 1024

export function createAnswers(clock: Clock, maxBytes = MAX_BYTES): Answers {
	/** oldest first: a Set keeps the order of insertion */
	const kept = new Set<Kept>()
	let bytes = 0
	const drop = (answer: Kept) => {
		if (!kept.delete(answer)) return
		bytes -= answer.bytes
		answer.drop()
	}
	return {
		keep(answer) {
			kept.add(answer)
			bytes += answer.bytes
			for (const each of kept) {
				if (bytes <= maxBytes) break
				if (each.bytes > 0) drop(each)
			}
		},
		forget: drop,
		sweep() {
			const now = clock.monotonic()
			for (const each of kept) {
				if (now - each.arrivedAt < KEEP_MS) break
				drop(each)
			}
		},
		get bytes() {
			return bytes
		},
	}
}
