// Runs histories from a seed, and tells the shortest that is wrong as a story.
import fc from 'fast-check'
import { expect } from 'vitest'
import { histories } from './generator.ts'
import { type History, run } from './history.ts'
import { SimulatedOperator } from './operator.ts'
import { inProcesses } from './processes.ts'
import { storyOf } from './story.ts'

const LONG = process.env['ASB_LONG'] !== undefined
/** The same in each short run: whoever breaks something finds it, and nobody else finds what was there before. */
export const SEED = Number(process.env['ASB_SEED'] ?? (LONG ? Math.floor(Math.random() * 2 ** 31) : 11))
/** As many as a quiet machine makes within a minute. */
export const HISTORIES = Number(process.env['ASB_HISTORIES'] ?? (LONG ? 200_000 : 2_000))
export const STEPS = 60

/** @returns what was wrong */
export const problemsOf = (history: History) => run(history, (world) => new SimulatedOperator(world))

/** The long run takes all processors; each of its processes has a seed of its own, and a failure says which. */
export async function check(count: number, volume: boolean): Promise<void> {
	if (LONG) expect(await inProcesses(SEED, count, volume)).toBeUndefined()
	else checkHere(histories(STEPS, volume), count)
}

function checkHere(all: fc.Arbitrary<History>, count: number): void {
	let seen: readonly string[] = []
	const result = fc.check(
		fc.property(all, (history) => {
			const problems = problemsOf(history)
			if (problems.length > 0) seen = problems
			return problems.length === 0
		}),
		{ seed: SEED, numRuns: count },
	)
	const [shortest] = result.counterexample ?? []
	if (shortest)
		expect.fail(`ASB_SEED=${SEED}, after ${result.numRuns} histories:\n${storyOf(shortest)}\n\n${seen.join('\n')}`)
}
