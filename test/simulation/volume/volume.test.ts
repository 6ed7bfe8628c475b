// The engine in simulated histories of Volume delivery, in a process of their own.
import { describe, expect, it } from 'vitest'
import { check, HISTORIES, problemsOf, SEED } from '../checked.ts'
import { volumeStories } from '../stories/volume.ts'

// They take twice as long, because several processes follow one binding.
const LIMIT_MS = HISTORIES * 1_500

it(`${HISTORIES} histories of Volume delivery with ASB_SEED=${SEED}: nothing is ever wrong either`, {
	timeout: LIMIT_MS,
}, async () => {
	await check(HISTORIES, true)
})

describe('what histories of Volume delivery have found', () => {
	it.each(volumeStories)('$name', ({ history }) => {
		expect(problemsOf(history)).toEqual([])
	})
})
