import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { SAVER_FLAG, saveMemory } from './memory-saver.ts'
import { FakeClock } from './testing/fake-clock.ts'

it('saves memory while no work waits, not during a rush, and says so once', async () => {
	const clock = new FakeClock()
	const stopping = new AbortController()
	const said: boolean[] = []
	let isBusy = true
	const ended = saveMemory({
		clock,
		signal: stopping.signal,
		isBusy: () => isBusy,
		set: (isSaving) => void said.push(isSaving),
	})
	await clock.advance(20_000)
	expect(said).toEqual([])
	isBusy = false
	await clock.advance(20_000)
	expect(said).toEqual([true])
	isBusy = true
	await clock.advance(20_000)
	expect(said).toEqual([true, false])
	isBusy = false
	await clock.advance(20_000)
	expect(said).toEqual([true, false, true])
	stopping.abort(new Error('the test stops it'))
	await ended
})

it('this node has the flag of V8', () => {
	expect(execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })).toContain(`--${SAVER_FLAG} `)
})
