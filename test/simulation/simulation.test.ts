// The engine in simulated histories. Others with ASB_SEED; ASB_LONG=1 makes 200,000 of them, each time others.
import { describe, expect, it } from 'vitest'
import { check, HISTORIES, problemsOf, SEED, STEPS } from './checked.ts'
import { stories } from './stories/all.ts'
import { storyOf } from './story.ts'

// Each takes a fortieth of a second on a quiet machine, and half a second where everything else runs beside it.
const LIMIT_MS = HISTORIES * 1_500

// Some three hundred histories each.
const CRASHES_MS = 120_000

// A poll with everything in it sends less than twenty, and there is an answer to each.
const MAX_REQUESTS = 40

it(`${HISTORIES} histories of ${STEPS} steps with ASB_SEED=${SEED}: nothing is ever wrong`, {
	timeout: LIMIT_MS,
}, async () => {
	await check(HISTORIES, false)
})

describe('what histories have found', () => {
	it.each(stories)('$name', ({ history }) => {
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
					expect(problemsOf({ ...history, steps }), storyOf({ ...history, steps })).toEqual([])
				}
			}
		}
	})
})
