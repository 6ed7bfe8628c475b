// The engine in simulated histories. Others with ASB_SEED; ASB_LONG=1 makes 200,000 of them, each time others.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { histories } from './generator.ts'
import { type History, run } from './history.ts'
import { SimulatedOperator } from './operator.ts'
import { stories } from './stories/all.ts'
import { volumeStories } from './stories/volume.ts'
import { told } from './told.ts'
import type { World } from './world.ts'

const LONG = process.env['ASB_LONG'] !== undefined
// The same in each short run: whoever breaks something finds it, and nobody else finds what was there before.
const SEED = Number(process.env['ASB_SEED'] ?? (LONG ? Math.floor(Math.random() * 2 ** 31) : 11))
// As many as a quiet machine makes within a minute.
const HISTORIES = Number(process.env['ASB_HISTORIES'] ?? (LONG ? 200_000 : 2_000))
const STEPS = 60
// Each takes a hundredth of a second on a quiet machine, and some tenths where everything else runs beside it.
const LIMIT_MS = HISTORIES * 300

// They take longer: several processes follow one binding.
const OF_VOLUME = Math.ceil(HISTORIES / 6)
const VOLUME_MS = 1_500

// Some three hundred histories each.
const CRASHES_MS = 120_000

// A poll with everything in it sends less than twenty, and there is an answer to each.
const MAX_REQUESTS = 40

const start = (world: World) => new SimulatedOperator(world)
const problemsOf = (history: History) => run(history, start)

function check(of: fc.Arbitrary<History>, count: number): void {
	let seen: readonly string[] = []
	const result = fc.check(
		fc.property(of, (history) => {
			const problems = problemsOf(history)
			if (problems.length > 0) seen = problems
			return problems.length === 0
		}),
		{ seed: SEED, numRuns: count },
	)
	const [shortest] = result.counterexample ?? []
	if (shortest)
		expect.fail(`ASB_SEED=${SEED}, after ${result.numRuns} histories:\n${told(shortest)}\n\n${seen.join('\n')}`)
}

it(`${HISTORIES} histories of ${STEPS} steps with ASB_SEED=${SEED}: nothing is ever wrong`, {
	timeout: LIMIT_MS,
}, () => {
	check(histories(STEPS), HISTORIES)
})

it(`${OF_VOLUME} histories of Volume delivery with ASB_SEED=${SEED}: nothing is ever wrong either`, {
	timeout: OF_VOLUME * VOLUME_MS,
}, () => {
	check(histories(STEPS, true), OF_VOLUME)
})

describe('what histories have found', () => {
	it.each([...stories, ...volumeStories])('$name', ({ history }) => {
		expect(problemsOf(history)).toEqual([])
	})
})

describe('a crash at every question', () => {
	// Of each kind of thing that is written: the first sync, a rotation, a removal, a rename, an older version, a mended edit.
	it.each(stories.filter(({ crashes }) => crashes))('$name', { timeout: CRASHES_MS }, ({ history }) => {
		for (let requests = 1; requests <= MAX_REQUESTS; requests++) {
			for (const inFlight of [false, true]) {
				const crash = { pause: 0, requests, action: { do: 'crash', inFlight, downMs: 0 } } as const
				for (let at = 0; at <= history.steps.length; at++) {
					const steps = history.steps.toSpliced(at, 0, crash)
					expect(problemsOf({ ...history, steps }), told({ ...history, steps })).toEqual([])
				}
			}
		}
	})
})
