import type { Piece, Question } from './questions.ts'

/**
 * Runs pieces together, so many at once, and hands each arrival to the piece that asked for it.
 *
 * @param stop whether a piece that came to this result ends it: those that have not begun do not begin any more
 * @returns the results in the order of the pieces; undefined for those that did not begin
 */
export function* sideBySide<R>(
	pieces: readonly Piece<R>[],
	limit: number,
	stop: (result: R) => boolean = () => false,
): Piece<(R | undefined)[]> {
	const results: (R | undefined)[] = pieces.map(() => undefined)
	const waiting = [...pieces.entries()]
	const askers = new Map<Question, [number, Piece<R>]>()
	let running = 0
	let stopped = false
	/** What a piece opened by the step that it just took, and its result if that was the last one. */
	const took = (asker: [number, Piece<R>], step: IteratorResult<readonly Question[], R>): readonly Question[] => {
		if (step.done) {
			running--
			results[asker[0]] = step.value
			stopped ||= stop(step.value)
			return []
		}
		for (const question of step.value) askers.set(question, asker)
		return step.value
	}
	const begin = (): Question[] => {
		const opened: Question[] = []
		while (!stopped && running < limit) {
			const asker = waiting.shift()
			if (!asker) break
			running++
			opened.push(...took(asker, asker[1].next()))
		}
		return opened
	}
	let opened = begin()
	while (running > 0) {
		const arrival = yield opened
		const asker = askers.get(arrival.question)
		if (!asker) throw new Error(`an answer to a question that nobody asked: ${arrival.question.ask}`)
		askers.delete(arrival.question)
		opened = [...took(asker, asker[1].next(arrival)), ...begin()]
	}
	return results
}
