import { expect, it } from 'vitest'
import { startThread } from './thread.ts'

const hex = { kind: 'value', property: undefined, decode: 'Hex' } as const

it('a thread that is stopped answers, takes nothing more, and the next one works', { timeout: 60_000 }, async () => {
	const first = startThread()
	const made = first.make({ value: '00', contentType: undefined, forms: [hex] })
	first.stop()
	// It was stopped before it had loaded.
	await expect(made).rejects.toThrow('cannot be started (stopped)')
	expect(first.isEnded).toBe(true)
	const second = startThread()
	const work = { value: '00', contentType: undefined, forms: [hex] }
	expect(await second.make(work)).toMatchObject({ kind: 'formed' })
	second.stop()
})
