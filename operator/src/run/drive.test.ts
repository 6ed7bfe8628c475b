import { expect, test, vi } from 'vitest'
import { type Answer, ask, type Piece, type Question } from '../engine/questions.ts'
import { sideBySide } from '../engine/side-by-side.ts'
import { FakeClock, settle } from '../process/testing/fake-clock.ts'
import { type Asking, drive } from './drive.ts'

const read = (objectName: string) =>
	({ ask: 'read', objectName, version: undefined, since: 0, lane: 'refresh' }) as const
function* reading(name: string): Piece<string> {
	const { answer, at } = yield* ask(read(name))
	return `${name}: ${answer.kind === 'fault' ? answer.fault.kind : answer.kind} at ${at.monotonic}`
}
const nameOf = (question: Question) => (question.ask === 'read' ? question.objectName : question.ask)
const FAULT: Answer = { kind: 'fault', fault: { kind: 'absent' } }

/** Answers come when the test lets them. */
function openDrive<R>(piece: Piece<R>) {
	const clock = new FakeClock()
	const stop = new AbortController()
	const asked = new Map<string, { asking: Asking; answer: (given: Answer) => void; fail: (error: unknown) => void }>()
	const result = drive(piece, {
		clock,
		signal: stop.signal,
		passMs: 60_000,
		answer: (question, asking) =>
			new Promise((resolve, reject) => {
				asked.set(nameOf(question), { asking, answer: resolve, fail: reject })
			}),
	})
	result.catch(() => {})
	const one = (name: string) => asked.get(name) ?? expect.fail(`${name} was not asked`)
	return { clock, stop, asked, result, one }
}

test('questions that are open together are asked together, so many at once, and each answer goes to who asked', async () => {
	const names = ['a', 'b', 'c']
	const { asked, one, result } = openDrive(sideBySide(names.map(reading), 2))
	await settle()
	expect([...asked.keys()]).toEqual(['a', 'b'])
	one('b').answer(FAULT)
	await settle()
	expect([...asked.keys()]).toEqual(names)
	one('c').answer(FAULT)
	one('a').answer(FAULT)
	expect(await result).toEqual(names.map((name) => `${name}: absent at 0`))
})

test('the time of the vault is measured by one timer, however many questions come and go', async () => {
	const names = Array.from({ length: 10 }, (_, i) => `q-${i}`)
	function* oneByOne(): Piece<string> {
		for (const name of names) yield* ask(read(name))
		return yield* reading('last')
	}
	const { clock, one, result } = openDrive(oneByOne())
	const sleep = vi.spyOn(clock, 'sleep')
	for (const name of names) {
		await settle()
		await clock.advance(1_000)
		one(name).asking.waits(true)
		await clock.advance(5_000)
		one(name).asking.waits(false)
		one(name).answer(FAULT)
	}
	// Ten seconds were with the vault, and fifty waited for its budget.
	await clock.advance(49_999)
	expect(sleep.mock.calls.map(([ms]) => ms)).toEqual([50_000])
	await clock.advance(1)
	expect(await result).toBe('last: timeout at 110000')
})

test('a pass idles while all that is open is with the vault, and not while the cluster is asked', async () => {
	const idled: string[] = []
	const open: ((given: Answer) => void)[] = []
	const now = () => ({ kind: 'none' }) as const
	function* piece(): Piece<string> {
		yield* ask(read('a'))
		yield* ask({ ask: 'readBack' })
		yield* ask(read('b'))
		return 'done'
	}
	const asked: string[] = []
	const result = drive(piece(), {
		clock: new FakeClock(),
		signal: new AbortController().signal,
		answer: (question) => {
			asked.push(nameOf(question))
			return question.ask === 'readBack' ? settle().then(now) : new Promise((resolve) => open.push(resolve))
		},
		idle: (arrived) => {
			idled.push(asked.at(-1) ?? '')
			return arrived
		},
	})
	await settle()
	open.shift()?.(FAULT)
	await settle()
	await settle()
	open.shift()?.(FAULT)
	expect(await result).toBe('done')
	expect(idled).toEqual(['a', 'b'])
})

test('pieces that have not begun do not begin after one that ends it', async () => {
	const { asked, one, result } = openDrive(
		sideBySide(['a', 'b', 'c', 'd'].map(reading), 2, (each) => each.startsWith('a')),
	)
	await settle()
	one('a').answer(FAULT)
	await settle()
	expect([...asked.keys()]).toEqual(['a', 'b'])
	one('b').answer(FAULT)
	expect(await result).toEqual(['a: absent at 0', 'b: absent at 0', undefined, undefined])
})

test('when the time is used up, what is open is answered timeout, and so is what is asked later', async () => {
	const { clock, asked, one, result } = openDrive(sideBySide(['a', 'b', 'c'].map(reading), 2))
	await clock.advance(50_000)
	one('a').answer(FAULT)
	await clock.advance(10_000)
	expect(await result).toEqual(['a: absent at 50000', 'b: timeout at 60000', 'c: timeout at 60000'])
	expect(one('b').asking.signal.aborted).toBe(true)
	expect(asked.get('c')?.asking.signal.aborted).toBe(true)
})

test('waiting for the budget is no time of the vault; what is left counts when it ends', async () => {
	const { clock, one, result } = openDrive(sideBySide(['a', 'b'].map(reading), 2))
	await clock.advance(30_000)
	one('a').asking.waits(true)
	one('b').asking.waits(true)
	await clock.advance(600_000)
	one('b').asking.waits(false)
	await clock.advance(29_999)
	one('a').answer(FAULT)
	await clock.advance(1)
	expect(await result).toEqual(['a: absent at 659999', 'b: timeout at 660000'])
})

test('what is no question to the vault is waited for, after the time is used up as well', async () => {
	function* late(): Piece<string> {
		yield* ask(read('a'))
		const { answer } = yield* ask({ ask: 'readBack' })
		return answer.kind
	}
	const { clock, one, result } = openDrive(late())
	await clock.advance(100_000)
	one('readBack').answer({ kind: 'none' })
	expect(await result).toBe('none')
})

test('an abort ends it, and all that is open', async () => {
	const { stop, one, result } = openDrive(reading('a'))
	await settle()
	stop.abort(new Error('stopping'))
	await expect(result).rejects.toThrow('stopping')
	expect(one('a').asking.signal.aborted).toBe(true)
})

test('an answer that rejects is a bug, and ends it even when other answers wait', async () => {
	const { one, result } = openDrive(sideBySide(['a', 'b'].map(reading), 2))
	await settle()
	one('a').answer(FAULT)
	one('b').fail(new Error('a bug'))
	await expect(result).rejects.toThrow('a bug')
})

test('no timer and no listener is left behind', async () => {
	const { clock, stop, one, result } = openDrive(reading('a'))
	const remove = vi.spyOn(stop.signal, 'removeEventListener')
	await settle()
	one('a').answer(FAULT)
	await result
	await settle()
	expect(clock.sleeping).toBe(0)
	expect(remove).toHaveBeenCalledOnce()
})
