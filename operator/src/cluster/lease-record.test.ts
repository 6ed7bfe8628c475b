import { describe, expect, test } from 'vitest'
import { decide, type LeaseSpec, microTime, observe, releasedSpec, takenSpec } from './lease-record.ts'

const at = Date.UTC(2026, 0, 1, 0, 0, 0, 5)
const spec: LeaseSpec = {
	holderIdentity: 'other',
	leaseDurationSeconds: 15,
	renewTime: microTime(at),
	leaseTransitions: 3,
}

test('a MicroTime has six fraction digits', () => {
	expect(microTime(at)).toBe('2026-01-01T00:00:00.005000Z')
	expect(microTime(Date.UTC(2026, 0, 1))).toBe('2026-01-01T00:00:00.000000Z')
})

describe('a lease that was read', () => {
	const decideAt = (nowMs: number, change: LeaseSpec = {}) =>
		decide({ spec: { ...spec, ...change }, atMs: 1_000 }, 'me', nowMs, 20_000)

	test('is left alone for its own duration since we saw it change, whatever its times say', () => {
		expect(decideAt(15_999)).toEqual({ kind: 'wait', holder: 'other', untilMs: 16_000 })
		expect(decideAt(15_999, { renewTime: '1970-01-01T00:00:00.000000Z' }).kind).toBe('wait')
		expect(decideAt(16_000).kind).toBe('take')
		expect(decideAt(16_000, { renewTime: '2999-01-01T00:00:00.000000Z' }).kind).toBe('take')
	})

	test('without a duration is left alone for ours', () => {
		expect(decideAt(20_999, { leaseDurationSeconds: null }).kind).toBe('wait')
		expect(decideAt(21_000, { leaseDurationSeconds: null }).kind).toBe('take')
	})

	test('that nobody holds is free at once, and ours is ours even when it is old', () => {
		expect(decideAt(1_000, { holderIdentity: '' }).kind).toBe('take')
		expect(decideAt(1_000, { holderIdentity: null }).kind).toBe('take')
		expect(decideAt(99_000, { holderIdentity: 'me' }).kind).toBe('renew')
	})
})

test('the time of observation moves only when the record changes', () => {
	const first = observe(undefined, spec, 100)
	expect(observe(first, { ...spec }, 200).atMs).toBe(100)
	expect(observe(first, { ...spec, renewTime: microTime(at + 1) }, 300).atMs).toBe(300)
})

describe('a record that is written', () => {
	test('counts a transition and a new start when it is taken, and neither when it is renewed', () => {
		const taken = takenSpec(spec, 'me', at, 15_000)
		expect(taken).toEqual({
			holderIdentity: 'me',
			leaseDurationSeconds: 15,
			acquireTime: microTime(at),
			renewTime: microTime(at),
			leaseTransitions: 4,
		})
		const renewed = takenSpec(taken, 'me', at + 2_000, 15_000)
		expect(renewed).toEqual({ ...taken, renewTime: microTime(at + 2_000) })
		expect(takenSpec(undefined, 'me', at, 15_000).leaseTransitions).toBe(0)
	})

	test('rounds its duration up, and gives the lease away with no holder', () => {
		expect(takenSpec(undefined, 'me', at, 1_500).leaseDurationSeconds).toBe(2)
		expect(releasedSpec(spec, at)).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 3 })
	})
})
