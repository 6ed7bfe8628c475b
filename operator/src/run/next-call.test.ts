import { beforeEach, describe, expect, it } from 'vitest'
import { openBinding } from './testing/one-binding.ts'

describe('what the watch shows after our own write of the status', () => {
	/** pieces of work of the main thread: reading a binding is one */
	let pieces: number
	const open = () =>
		openBinding(
			{ secrets: [{ name: 'db' }] },
			{
				slices: async (_, work) => {
					pieces++
					return work()
				},
			},
		)
	let one: ReturnType<typeof open>
	beforeEach(async () => {
		one = open()
		one.vault('a').set('db', 'first')
		await one.clock.advance(5_000)
		await one.reconcile()
		expect(one.condition('Ready')).toMatchObject({ status: 'True' })
		pieces = 0
	})

	it('is not read again', async () => {
		expect(await one.reconcile()).toBeGreaterThan(0)
		expect(pieces).toBe(0)
	})

	it('is read when somebody has changed it meanwhile', async () => {
		one.edit({ secrets: [{ name: 'other', objectName: 'db' }] })
		await one.reconcile()
		expect(one.files()).toEqual({ other: 'first' })
	})

	it('is polled when its time comes', async () => {
		await one.reconcile()
		one.vault('a').set('db', 'second')
		await one.pass(65_000)
		expect(one.files()).toEqual({ db: 'second' })
	})
})
