import { describe, expect, it } from 'vitest'
import { explainPace, noPace, type Pace, paceAfter } from './pace.ts'

const after = (ends: readonly number[], lateMs = 0): Pace & { isLate: boolean } =>
	ends.reduce<Pace & { isLate: boolean }>((pace, at) => paceAfter(pace, at, 5_000, lateMs), {
		...noPace,
		isLate: false,
	})

describe('the pace of a binding', () => {
	it('is kept while less than two intervals lie between polls', () => {
		expect(after([0, 5_000, 14_999])).toMatchObject({ slow: undefined, isLate: false })
		// Nobody knows what was before the first poll.
		expect(after([60_000])).toMatchObject({ slow: undefined, isLate: false })
	})

	it('that is not kept says how far, in powers of two, and by whom', () => {
		expect(after([0, 10_000])).toMatchObject({ slow: { intervals: 2, by: 'vault' }, isLate: true })
		expect(after([0, 44_000])).toMatchObject({ slow: { intervals: 16, by: 'vault' }, isLate: true })
		expect(after([0, 44_000], 22_000)).toMatchObject({ slow: { intervals: 16, by: 'workers' } })
	})

	it('is told as the worst of late until ten polls in a row were in time', () => {
		const worse = [0, 44_000, 55_000]
		expect(after(worse).slow?.intervals).toBe(16)
		const calm = (polls: number) => Array.from({ length: polls }, (_, i) => 60_000 + i * 5_000)
		expect(after([...worse, ...calm(9)]).slow?.intervals).toBe(16)
		expect(after([...worse, ...calm(10)]).slow).toBeUndefined()
	})

	it('is told with what helps', () => {
		expect(explainPace({ intervals: 8, by: 'workers' }, 5_000)).toBe(
			'The interval of 5s is not kept: up to 40s lie between polls, because bindings wait for workers of the operator. A longer interval or fewer secrets help.',
		)
	})
})
