import type { Clock } from '../process/clock.ts'
import { countIn, mostOf } from '../process/counts.ts'

/** An answer that may be given again, in whatever memory holds it. */
export interface Kept {
	/** whose session it is of: a namespace */
	readonly owner: string
	arrivedAt: number
	/** when it was given last, or came */
	usedAt: number
	/** that it holds on to, about */
	bytes: number
	/** Takes it out of the memory that holds it. */
	drop(): void
}

/** The answers that the sessions of this process keep for each other's bindings. Bounds how long, and how many bytes. */
export interface Answers {
	keep(answer: Kept): void
	/** It was given again. */
	used(answer: Kept): void
	/** It was replaced, or its session is closed. */
	forget(answer: Kept): void
	/** Drops what is too old. There is no timer: called at each question of any session, and by `prune`. */
	sweep(): void
	/** that are held */
	readonly bytes: number
}

// Bindings of one session poll at a common tick and ask within seconds of each other, and so do two polls of one pass. What
// is older would hardly be asked for again, and a value should not lie about.
const KEEP_MS = 30_000
// Sixteen Secrets of the greatest size. The pod may use 384 MiB (deploy/kustomize/base/deployment.yaml).
const MAX_BYTES = 16 * 1024 * 1024

export interface AnswersOptions {
	readonly maxBytes?: number | undefined
	/**
	 * An answer that is given again is kept for half a minute from then on, but for no longer than this altogether; default: that half
	 * minute. Milliseconds
	 */
	readonly longestMs?: number | undefined
}

export function createAnswers(
	clock: Clock,
	{ maxBytes = MAX_BYTES, longestMs = KEEP_MS }: AnswersOptions = {},
): Answers {
	/** those that go first are first: a Set keeps the order of insertion */
	const kept = new Set<Kept>()
	const bytesOf = new Map<string, number>()
	let bytes = 0
	const count = (owner: string, by: number) => {
		bytes += by
		countIn(bytesOf, owner, by)
	}
	const drop = (answer: Kept) => {
		if (!kept.delete(answer)) return
		count(answer.owner, -answer.bytes)
		answer.drop()
	}
	/** Whoever has most gives the oldest of it: otherwise one whose answers are large has those of all others asked for again. */
	const makeRoom = () => {
		const most = mostOf(bytesOf)
		for (const each of kept) {
			if (each.owner !== most || each.bytes === 0) continue
			drop(each)
			return
		}
	}
	return {
		keep(answer) {
			kept.add(answer)
			count(answer.owner, answer.bytes)
			while (bytes > maxBytes) makeRoom()
		},
		used(answer) {
			const now = clock.monotonic()
			if (now === answer.usedAt || now + KEEP_MS - answer.arrivedAt > longestMs || !kept.delete(answer)) return
			answer.usedAt = now
			kept.add(answer)
		},
		forget: drop,
		sweep() {
			const now = clock.monotonic()
			for (const each of kept) {
				if (now - each.usedAt < KEEP_MS) break
				drop(each)
			}
		},
		get bytes() {
			return bytes
		},
	}
}
