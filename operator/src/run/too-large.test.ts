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

test('of values that are too large together no more are read than show it, and none again while the list shows them as they were', async () => {
	const one = openOf(480, 1, 0)
	const { reads } = one.vault('a')
	const said = new Set<string | undefined>()
	for (let poll = 0; poll < 12; poll++) {
		reads.length = 0
		await one.clock.advance(120_000)
		await one.reconcile()
		if (poll === 0) {
			expect(reads.length).toBeGreaterThanOrEqual(ENOUGH)
			expect(reads.length).toBeLessThan(ENOUGH + AT_ONCE)
		} else expect(reads).toEqual([])
		expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretTooLarge' })
		said.add(one.condition('Fresh')?.message)
	}
	expect([...said]).toEqual([expect.stringContaining('would have at least 10')])
	expect(one.files()).toEqual({})
})

/** Refused, told at two polls, and not read again for the second one. */
const refused = async (one: ReturnType<typeof openBinding>) => {
	const { reads } = one.vault('a')
	await one.clock.advance(120_000)
	await one.reconcile()
	await one.pass(120_000)
	reads.length = 0
	await one.pass(120_000)
	expect(one.condition('Ready')).toMatchObject({ status: 'False', reason: 'SecretTooLarge' })
	return reads
}

test('what becomes small enough is delivered at the next poll', async () => {
	const one = openOf(50, 1, 0)
	expect(await refused(one)).toEqual([])
	for (let i = 0; i < 10; i++) one.vault('a').set(`s-${i}`, 'small')
	await one.pass(61_000)
	expect(one.condition('Ready')?.status).toBe('True')
	expect(Object.keys(one.files())).toHaveLength(50)
})

test('so it is when a selected secret goes, and when the spec asks for less', async () => {
	const one = openBinding({ select: [{ prefix: 's-' }] })
	for (let i = 0; i < 42; i++) one.vault('a').set(`s-${i}`, `${i}`.padEnd(VALUE, 'v'))
	expect(await refused(one)).toEqual([])
	one.vault('a').remove('s-0')
	await one.pass(61_000)
	expect(Object.keys(one.files())).toHaveLength(41)
	one.vault('a').set('s-0', 'v'.repeat(VALUE))
	one.vault('a').set('s-1', 'v'.repeat(VALUE + 1))
	expect(await refused(one)).toEqual([])
	one.edit({ select: [{ prefix: 's-1' }] })
	await one.reconcile()
	expect(one.files()['s-1']).toBe('v'.repeat(VALUE + 1))
})

test('what is too large only with what is delivered already is not read again either, until there is room', async () => {
	const one = openOf(30, 1, 0)
	await one.clock.advance(120_000)
	await one.reconcile()
	for (let i = 30; i < 45; i++) one.vault('a').set(`s-${i}`, `${i}`.padEnd(VALUE, 'w'))
	await one.clock.advance(60_000)
	one.edit({ secrets: Array.from({ length: 45 }, (_, i) => ({ name: `s-${i}` })) })
	expect(await refused(one)).toEqual([])
	expect(Object.keys(one.files())).toHaveLength(30)
	for (let i = 0; i < 5; i++) one.vault('a').set(`s-${i}`, 'small')
	await one.pass(61_000)
	expect(Object.keys(one.files())).toHaveLength(45)
	expect(one.files()['s-0']).toBe('small')
})

test('a key of somebody else that fills the Secret may go', async () => {
	const one = openOf(30, 1, 0)
	await one.clock.advance(120_000)
	await one.reconcile()
	one.secrets.edit('mine', 'foreign', 'f'.repeat(MOST - 30 * VALUE - 20_000))
	one.vault('a').set('s-0', 'v'.repeat(2 * VALUE))
	expect(await refused(one)).toEqual([])
	expect(one.files()['s-0']).toHaveLength(VALUE)
	one.secrets.edit('mine', 'foreign', 'less')
	await one.pass(61_000)
	expect(one.files()['s-0']).toHaveLength(2 * VALUE)
})

test('what a Secret of another type is to hold is not read again until the Secret is gone', async () => {
	const one = openOf(4, 1, 0)
	await one.clock.advance(120_000)
	await one.reconcile()
	one.edit({
		delivery: { secret: { name: 'mine', type: 'kubernetes.io/basic-auth' } },
		secrets: [{ name: 'username', objectName: 's-0' }],
	})
	await one.reconcile()
	const { reads } = one.vault('a')
	await one.pass(120_000)
	reads.length = 0
	await one.pass(120_000)
	expect(one.condition('Ready')?.reason).toBe('SecretTypeDiffers')
	expect(reads).toEqual([])
	await one.secrets.remove('ns', 'mine', '', '')
	await one.pass(61_000)
	expect(one.condition('Ready')?.status).toBe('True')
})

test('a key that the type asks for is delivered when it comes', async () => {
	const one = openBinding({
		select: [{ prefix: 'tls' }],
		delivery: { secret: { name: 'mine', type: 'kubernetes.io/tls' } },
	})
	one.vault('a').set('tls.crt', 'certificate')
	await one.clock.advance(120_000)
	await one.reconcile()
	await one.pass(120_000)
	const { reads } = one.vault('a')
	reads.length = 0
	await one.pass(120_000)
	expect(one.condition('Ready')?.reason).toBe('RequiredKeyMissing')
	expect(reads).toEqual([])
	one.vault('a').set('tls.key', 'key')
	await one.pass(61_000)
	expect(one.files()).toEqual({ 'tls.crt': 'certificate', 'tls.key': 'key' })
})

const disableOlder = async (one: ReturnType<typeof openBinding>, name: string) => {
	const ask = { since: 0, lane: 'first', signal: new AbortController().signal } as const
	const listing = await one.vault('a').session.versions(name, { pages: 1 }, ask)
	const versions = listing.complete ? listing.versions : []
	for (const version of versions.slice(0, -1)) Object.assign(version, { enabled: false })
}

test('older versions that are too large are looked at again at every tenth poll: no list shows which of them can be used', async () => {
	const one = openOf(10, 11, 10)
	expect(await refused(one)).toEqual([])
	for (let i = 0; i < 10; i++) await disableOlder(one, `s-${i}`)
	await one.pass(11 * 60_000)
	expect(one.condition('Ready')?.status).toBe('True')
	expect(Object.keys(one.files())).toHaveLength(10)
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
