import { describe, expect, test } from 'vitest'
import type { PassResult } from '../../engine/input.ts'
import { sampleBinding } from '../../engine/testing/binding.ts'
import type { Pods } from '../../ports/cluster.ts'
import { FakeClock } from '../../process/testing/fake-clock.ts'
import { afterPods, annotationOf, createPodRefresher, type PendingRefresh, refreshAfter } from './refresh.ts'
import { holdingOf } from './secret-object.ts'

const NOW = Date.parse('2026-01-01T00:10:00Z')
const at = { now: NOW, monotonic: 5_000 }
/** Our Secret as our manager wrote it at that time. */
const secretWritten = (time: string | undefined) =>
	holdingOf({
		metadata: {
			name: 's',
			uid: 'u',
			resourceVersion: '7',
			managedFields: time === undefined ? [] : [{ manager: 'azure-secret-binding', time, fieldsV1: {} }],
		},
	})
const pending: PendingRefresh = {
	resourceVersion: '3',
	writtenAt: NOW - 1_000,
	pass: 'last',
	dueAt: 6_000,
	failures: 0,
}

describe('the refresh that a pass leaves', () => {
	type Given = Pick<PassResult, 'firstSeen' | 'written'>
	const none: Given = { firstSeen: undefined, written: undefined }
	const fresh = secretWritten('2026-01-01T00:09:00Z')
	test.each<[string, PendingRefresh | undefined, Given, boolean, object | undefined]>([
		[
			'new bytes: both passes, from now on',
			pending,
			{ ...none, written: { holding: fresh, files: true } },
			true,
			{ resourceVersion: '7', pass: 'first', dueAt: 5_000, failures: 0 },
		],
		[
			'new bytes without a time of the API server: now',
			undefined,
			{ ...none, written: { holding: secretWritten(undefined), files: true } },
			true,
			{ writtenAt: NOW },
		],
		[
			'labels alone: what was left to be done',
			pending,
			{ ...none, written: { holding: fresh, files: false } },
			true,
			pending,
		],
		[
			'found, written a minute ago: the process before may have died',
			undefined,
			{ ...none, firstSeen: fresh },
			true,
			{ resourceVersion: '7', pass: 'last', writtenAt: NOW - 60_000 },
		],
		[
			'found, written too long ago',
			undefined,
			{ ...none, firstSeen: secretWritten('2026-01-01T00:00:00Z') },
			true,
			undefined,
		],
		['found, and nobody wants pods to be told', undefined, { ...none, firstSeen: fresh }, false, undefined],
		['nothing happened', pending, none, true, pending],
	])('%s', (_, before, result, wanted, expected) => {
		const refresh = refreshAfter(before, result, wanted, at)
		if (expected === undefined) expect(refresh).toBeUndefined()
		else expect(refresh).toMatchObject(expected)
	})
})

test('a Secret that was not there before has no pods that hold an older one: it waits for a common time, and is looked at once', () => {
	const written = { holding: secretWritten('2026-01-01T00:09:00Z'), files: true }
	const refresh = refreshAfter(undefined, { firstSeen: undefined, written }, true, at, true)
	expect(refresh).toMatchObject({ resourceVersion: '7', pass: 'last', dueAt: 10_000 })
})

test.each<[string, Partial<PendingRefresh>, 'told' | 'more' | 'failed', object | undefined]>([
	['not all of them yet: the same pass goes on at once', { pass: 'first' }, 'more', { pass: 'first', dueAt: 5_000 }],
	[
		'told once: once more in three seconds',
		{ pass: 'first', failures: 2 },
		'told',
		{ pass: 'last', dueAt: 8_000, failures: 0 },
	],
	['told twice: done', { pass: 'last' }, 'told', undefined],
	[
		'failed: again, later and later',
		{ pass: 'first', failures: 1 },
		'failed',
		{ pass: 'first', failures: 2, dueAt: 15_000 },
	],
	['failed for longer than the kubelet needs by itself: given up', { writtenAt: NOW - 600_001 }, 'failed', undefined],
])('after the pods of a pass: %s', (_, change, result, expected) => {
	const next = afterPods({ ...pending, ...change }, result, at, 0)
	if (expected === undefined) expect(next).toBeUndefined()
	else expect(next).toMatchObject(expected)
})

test('only the last pass says that the refresh is complete', () => {
	expect(annotationOf({ ...pending, pass: 'first' })).toBe('3.1')
	expect(annotationOf(pending)).toBe('3')
})

test('a binding that many pods mount gives its worker back after ten seconds, and goes on where it was', async () => {
	const clock = new FakeClock()
	const annotated = new Map<string, string>()
	const pods: Pods = {
		async *list() {
			for (let i = 0; i < 500; i++) {
				const annotations = annotated.has(`p${i}`)
					? { 'secrets.purista.dev/refreshed': annotated.get(`p${i}`) ?? '' }
					: {}
				yield {
					metadata: { name: `p${i}`, annotations },
					spec: {
						volumes: [{ name: 'v', secret: { secretName: 'mine' } }],
						containers: [{ volumeMounts: [{ name: 'v' }] }],
					},
					status: { phase: 'Running' },
				}
			}
		},
		async annotate(_, name, value) {
			annotated.set(name, value)
			return true
		},
	}
	const refresher = createPodRefresher({ pods, clock, random: () => 0, observe: () => {}, onError: () => {} })
	const first: PendingRefresh = { ...pending, pass: 'first', resourceVersion: '9', writtenAt: clock.now() }
	const never = new AbortController().signal
	let left: PendingRefresh | undefined = first
	const after: number[] = []
	while (left?.pass === 'first') {
		const run = refresher.run(
			sampleBinding(),
			left,
			never,
			() => {},
			() => {},
		)
		for (let ms = 0; ms < 11_000; ms += 50) await clock.advance(50)
		left = await run
		after.push(annotated.size)
	}
	expect(after[0]).toBeGreaterThan(150)
	expect(after[0]).toBeLessThan(250)
	expect(after.at(-1)).toBe(500)
	expect(left).toMatchObject({ pass: 'last' })
})
