import { expect, test } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

const MINUTE = { minIntervalMs: 60_000 }

test('an interval below the least of the operator is raised, and the binding says so', async () => {
	const one = openBinding({ secrets: [{ name: 'db' }], refresh: { interval: '5s' } }, MINUTE)
	one.vault('a').set('db', 'first')
	await one.clock.advance(5_000)
	const next = await one.reconcile()
	expect(next).toBeGreaterThanOrEqual(55_000)
	expect(one.condition('Fresh')).toMatchObject({ status: 'True', reason: 'Current' })
	expect(one.condition('Fresh')?.message).toContain(
		'The interval of 5s is shorter than this cluster allows: the vault is polled every 60s.',
	)
})

test.each(['60s', '5m'])('an interval of %s stays as it is', async (interval) => {
	const one = openBinding({ secrets: [{ name: 'db' }], refresh: { interval } }, MINUTE)
	one.vault('a').set('db', 'first')
	await one.clock.advance(5_000)
	await one.reconcile()
	expect(one.condition('Fresh')?.message).not.toContain('shorter')
})
