import { expect, test } from 'vitest'
import { createRelistCount } from './relist.ts'
import type { KubeObject } from './watch-state.ts'

const object = (name: string, resourceVersion: string): KubeObject => ({
	metadata: { namespace: 'ns', name, resourceVersion },
})

test('nothing is missed when the stream told everything', () => {
	const count = createRelistCount()
	expect(count.synced([object('a', '1'), object('b', '2')], false)).toBeUndefined()
	count.seen('3', { kind: 'applied', item: object('a', '3') })
	count.seen('4', { kind: 'deleted', item: object('b', '4') })
	count.seen('9', undefined)
	expect(count.synced([object('a', '3')], true)).toEqual({ applied: 0, deleted: 0 })
})

test('a version that the stream had passed without telling was missed, a later one was not', () => {
	const count = createRelistCount()
	count.synced([object('a', '5'), object('b', '6'), object('c', '7')], false)
	count.seen('100', undefined)
	// 99 is smaller than 100 although its first digit is larger.
	expect(count.synced([object('a', '99'), object('b', '101'), object('c', '7'), object('d', '98')], true)).toEqual({
		applied: 2,
		deleted: 0,
	})
})

test('a deletion counts only when the stream was open until the list', () => {
	const count = createRelistCount()
	count.synced([object('a', '1')], false)
	expect(count.synced([], false)).toEqual({ applied: 0, deleted: 0 })
	count.synced([object('a', '1')], false)
	count.seen('2', undefined)
	expect(count.synced([], true)).toEqual({ applied: 0, deleted: 1 })
})

test('versions that are not numbers are not compared', () => {
	const count = createRelistCount()
	count.synced([object('a', 'x1')], false)
	count.seen('x9', undefined)
	expect(count.synced([object('a', 'x2')], true)).toEqual({ applied: 0, deleted: 0 })
})
