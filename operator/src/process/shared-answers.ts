import type { Clock } from './clock.ts'

/** Answers that are shared by whoever asks for one time. */
export interface SharedAnswers<T> {
	/** The answer to this question, asked at `since` (monotonic, milliseconds) or later; `read` asks it when there is none. */
	ask(question: string, since: number, read: () => Promise<T>): Promise<T>
}

/**
 * 1. An answer that was asked for at that time or later is shared, also while it is still awaited.
 * 2. Otherwise it is asked for anew, and takes the place of the one before.
 * 3. Answers older than `keepMs` go with the next question, and one that failed at once.
 */
export function createSharedAnswers<T>(clock: Pick<Clock, 'monotonic'>, keepMs: number): SharedAnswers<T> {
	/** oldest first */
	const asked = new Map<string, { begun: number; answer: Promise<T> }>()
	return {
		ask(question, since, read) {
			const last = asked.get(question)
			if (last && last.begun >= since) return last.answer
			const begun = clock.monotonic()
			for (const [other, each] of asked) {
				if (begun - each.begun < keepMs) break
				asked.delete(other)
			}
			const flight = { begun, answer: read() }
			asked.delete(question)
			asked.set(question, flight)
			flight.answer.catch(() => {
				if (asked.get(question) === flight) asked.delete(question)
			})
			return flight.answer
		},
	}
}
