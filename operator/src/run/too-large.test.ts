import { expect, test } from 'vitest'
import { AT_ONCE } from '../engine/poll.ts'
import { openBinding } from './testing/one-binding.ts'

// A tenant may ask for 480 values of 25 KB with ten older versions each, 132 MB, in each of many bindings. None of it fits into
// a Secret, and all of it would be in memory at once.

const VALUE = 25_000
const MOST = 1_048_576
/** With so many it is too much. */
const ENOUGH = Math.floor(MOST / VALUE) + 1

const openOf = (entries: number, versions: number, previous: number) => {
	const names = Array.from({ length: entries }, (_, i) => `s-${i}`)
	const one = openBinding({ secrets: names.map((name) => ({ name, previous })) })
	for (let version = 0; version < versions; version++)
		for (const name of names) one.vault('a').set(name, `${version}-${name}`.padEnd(VALUE, 'v'))
	return one
}

test('of values that are too large together no more are read than show it, and each poll says the same', async () => {
	const one = openOf(480, 1, 0)
	const { reads } = one.vault('a')
	const said = new Set<string | undefined>()
	for (let poll = 0; poll < 3; poll++) {
		reads.length = 0
		await one.clock.advance(120_000)
		await one.reconcile()
		expect(reads.length).toBeGreaterThanOrEqual(ENOUGH)
		expect(reads.length).toBeLessThan(ENOUGH + AT_ONCE)
		expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretTooLarge' })
		said.add(one.condition('Fresh')?.message)
	}
	expect([...said]).toEqual([expect.stringContaining('would have at least 10')])
	expect(one.files()).toEqual({})
})

test('nor of their older versions', async () => {
	const one = openOf(40, 11, 10)
	const { reads } = one.vault('a')
	await one.clock.advance(120_000)
	await one.reconcile()
	expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretTooLarge' })
	// Those of one secret are read to their end.
	expect(reads.length).toBeLessThan(40 + ENOUGH + 10)
})

test('what was delivered stays when too much is asked for, and what fits is delivered when it is less again', async () => {
	const one = openOf(41, 1, 0)
	await one.clock.advance(120_000)
	await one.reconcile()
	expect(Object.keys(one.files())).toHaveLength(41)
	const secrets = Array.from({ length: 41 }, (_, i) => ({ name: `s-${i}` }))
	for (let i = 41; i < 100; i++) one.vault('a').set(`s-${i}`, `${i}`.padEnd(VALUE, 'w'))
	one.edit({ secrets: Array.from({ length: 100 }, (_, i) => ({ name: `s-${i}` })) })
	await one.reconcile()
	expect(one.condition('Fresh')?.reason).toBe('SecretTooLarge')
	expect(Object.keys(one.files())).toHaveLength(41)
	one.edit({ secrets })
	await one.reconcile()
	await one.pass(120_000)
	expect(one.condition('Fresh')).toMatchObject({ status: 'True' })
	expect(Object.keys(one.files())).toHaveLength(41)
})
