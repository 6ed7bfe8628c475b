import { ask, type Piece } from './questions.ts'

// A part of planning takes 0.01 to 0.03 ms for each secret (`npm run bench -- steps`): of so many it is no more than 3 ms.
const MUCH = 100

/** Between two parts of a pass that look at all of its secrets: with many of them the next part is a step of its own. */
export function* pauseAfter({ length }: { readonly length: number }): Piece<void> {
	if (length > MUCH) yield* ask({ ask: 'pause' })
}
