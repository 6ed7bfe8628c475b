import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import type { Form } from '../api/parse.ts'
import { limitPassed } from '../engine/form.ts'
import { CERTIFICATE, KEY, PFX } from '../pki/testing/fixtures.ts'
import type { VaultSecret } from '../ports/vault.ts'
import { systemClock } from '../process/clock.ts'
import { FakeClock, settle } from '../process/testing/fake-clock.ts'
import { createForms, type Forms, type FormsResult } from './forms.ts'
import { deepJson, longChain, pfxOf, wideJson } from './testing/worst.ts'
import type { Made, Thread } from './thread.ts'

const never = new AbortController().signal
const P12 = 'application/x-pkcs12'
const PEM = 'application/x-pem-file'
const cert = (part: 'cert' | 'key' | 'ca', ca = false): Form => ({ kind: 'certificate', part, ca })
const property = (pointer: string): Form => ({ kind: 'value', property: pointer, decode: 'None' })
const hex: Form = { kind: 'value', property: undefined, decode: 'Hex' }

let versions = 0
const secretOf = (value: string, contentType?: string, version = `v${versions++}`): VaultSecret => ({
	version,
	value: () => value,
	facts: { contentType } as VaultSecret['facts'],
	serverTime: undefined,
})

const open: Forms[] = []
afterEach(() => {
	for (const each of open.splice(0)) each.close()
})

/** A thread starts and loads its parsers in each test; also on a busy machine. */
const THREAD = { timeout: 60_000 }

describe('the thread that makes files out of values', THREAD, () => {
	const started = () => {
		const results: FormsResult[] = []
		const forms = createForms({ clock: systemClock, observe: (result) => results.push(result) })
		open.push(forms)
		const make = (value: string, of: readonly (Form | undefined)[], contentType?: string) =>
			forms.make('a', secretOf(value, contentType), of, never)
		return { forms, make, results }
	}

	it('gives all parts of a certificate, bytes and properties', async () => {
		const { make } = started()
		const pair = [cert('cert'), cert('key')]
		expect(await make(PFX.ecPlain, pair, P12)).toEqual([
			{ kind: 'content', content: CERTIFICATE.ec },
			{ kind: 'content', content: KEY.ec },
		])
		expect(await make('{"a":"1"}', [property('/a'), undefined])).toEqual([
			{ kind: 'content', content: '1' },
			{ kind: 'content', content: '{"a":"1"}' },
		])
		const [bytes] = await make('6869', [hex])
		expect(bytes).toEqual({ kind: 'content', content: new Uint8Array([0x68, 0x69]) })
		// Nothing of what lay beside it in the thread comes along.
		expect(bytes?.kind === 'content' && (bytes.content as Uint8Array).buffer.byteLength).toBe(2)
	})

	it.each([
		// Before: seventeen seconds of the main thread, and the lease was lost.
		['rounds that are many only together', pfxOf(6, 20_000), P12, cert('key'), { kind: 'certificate', rule: 'rounds' }],
		[
			'old rounds, of which each counts thrice',
			pfxOf(6, 6_000, true),
			P12,
			cert('key'),
			{ kind: 'certificate', rule: 'rounds' },
		],
		['JSON of brackets', deepJson(), undefined, property('/a'), { kind: 'property', rule: 'depth' }],
		['a PFX beyond all size', 'A'.repeat(60_000), P12, cert('key'), { kind: 'certificate', rule: 'size' }],
	] as const)('refuses %s', async (_, value, contentType, form, fault) => {
		const { make } = started()
		expect(await make(value, [form], contentType)).toEqual([{ kind: 'fault', fault }])
	})

	it('opens what is within the rounds, by whatever number of bags', async () => {
		const { make } = started()
		const [key] = await make(pfxOf(3, 2_048), [cert('key')], P12)
		// A certificate is missing in there, which is found after all keys were opened.
		expect(key).toEqual({ kind: 'fault', fault: { kind: 'certificate', rule: 'certMissing' } })
	})

	it('takes 500 entries of one value and a chain as long as a value', async () => {
		const { make } = started()
		const made = await make(
			wideJson(),
			Array.from({ length: 500 }, (_, i) => property(`/k${i}`)),
		)
		expect(made.filter(({ kind }) => kind === 'content')).toHaveLength(500)
		expect(await make(longChain(), [cert('cert')], PEM)).toMatchObject([{ kind: 'content' }])
	})

	it('does not try again what failed beside entries that can be made, nor once for each set of entries', async () => {
		const { forms, results } = started()
		const make = (...of: (Form | undefined)[]) => forms.make('a', secretOf('x', undefined, 'same'), of, never)
		const content = { kind: 'content', content: 'x' }
		const noJson = { kind: 'fault', fault: { kind: 'property', rule: 'json' } }
		expect(await make(undefined, property('/a'))).toEqual([content, noJson])
		expect(await make(undefined, property('/a'))).toEqual([content, noJson])
		expect(await make(property('/b'), property('/a'))).toEqual([noJson, noJson])
		expect(await make(property('/b'))).toEqual([noJson])
		expect(results).toEqual(['formed', 'known', 'formed', 'known'])
	})

	it('does not try again what failed, until version, content type or form is another one', async () => {
		const { forms, results } = started()
		const make = (version: string, form: Form, type: string) =>
			forms.make('a', secretOf('x', type, version), [form], never)
		await make('1', cert('key'), PEM)
		expect(await make('1', cert('key'), PEM)).toEqual([{ kind: 'fault', fault: { kind: 'certificate', rule: 'pem' } }])
		await make('2', cert('key'), PEM)
		await make('1', cert('cert'), PEM)
		await make('1', cert('key'), P12)
		expect(results).toEqual(['formed', 'known', 'formed', 'formed', 'formed'])
	})
})

describe('the queue before the thread', () => {
	/** Threads whose work ends when the test says so. */
	const staged = () => {
		const clock = new FakeClock()
		const began: string[] = []
		const threads: { stopped: boolean; answer(made: Made): void }[] = []
		const start = (): Thread => {
			let answer: ((made: Made) => void) | undefined
			const thread = { stopped: false, answer: (made: Made) => answer?.(made) }
			threads.push(thread)
			return {
				make: ({ value }) => {
					began.push(value)
					return new Promise((resolve) => {
						answer = resolve
					})
				},
				stop() {
					thread.stopped = true
					answer?.({ kind: 'tooLong' })
				},
				get isEnded() {
					return thread.stopped
				},
			}
		}
		const forms = createForms({ clock, start })
		open.push(forms)
		const done: string[] = []
		const make = (value: string, namespace = 'a', signal = never) =>
			forms
				.make(namespace, secretOf(value), [hex], signal)
				.then((made) => void done.push(`${value} ${JSON.stringify(made[0])}`))
		const made = (cpuMs: number): Made => ({ kind: 'formed', formed: [{ kind: 'content', content: '' }], cpuMs })
		return { clock, began, done, threads, forms, make, made, content: made(0) }
	}

	it('namespaces take turns, one value at a time', async () => {
		const { began, threads, make, content } = staged()
		for (const value of ['a1', 'a2', 'a3']) void make(value)
		void make('b1', 'b')
		void make('c1', 'c')
		await settle()
		expect(began).toEqual(['a1'])
		for (let i = 0; i < 4; i++) {
			threads[0]?.answer(content)
			await settle()
		}
		expect(began).toEqual(['a1', 'a2', 'b1', 'c1', 'a3'])
		expect(threads).toHaveLength(1)
	})

	it.each([
		['', 1],
		// Before: it was charged what others on the machine took, and waited for a whole round.
		[', on a machine that gives a fifth of a processor', 5],
	])(
		'who has cheap values waits for the one that is being made, however many others have dear ones%s',
		async (_, times) => {
			const { clock, began, threads, make, made } = staged()
			const others = Array.from({ length: 50 }, (_, i) => `other-${i}`)
			const finish = async (cpuMs: number, ms: number) => {
				await clock.advance(ms)
				threads[0]?.answer(made(cpuMs))
				await settle()
			}
			for (const name of others) for (let i = 0; i < 4; i++) void make(`${name}/${i}`, name)
			await settle()
			for (let i = 0; i < 30; i++) {
				const before = began.length
				void make(`victim/${i}`, 'victim')
				// What is being made.
				await finish(1_000, 1_000 * times)
				// At its first value it has used no less than those of them who had no turn yet.
				while (i === 0 && began.at(-1) !== 'victim/0') await finish(1_000, 1_000 * times)
				expect(began.slice(before).filter((value) => !value.startsWith('victim')).length).toBeLessThanOrEqual(
					i === 0 ? 49 : 0,
				)
				expect(began.at(-1)).toBe(`victim/${i}`)
				// It is the one that others interrupt.
				await finish(10, 10 * times * times)
			}
		},
	)

	it('a value that passes the deadline gets a second try behind the others, and then is told as too long', async () => {
		const { clock, began, done, threads, make, content } = staged()
		void make('slow')
		void make('b1', 'b')
		await clock.advance(9_999)
		expect(threads.map(({ stopped }) => stopped)).toEqual([false])
		await clock.advance(1)
		expect([began, threads.map(({ stopped }) => stopped)]).toEqual([
			['slow', 'b1'],
			[true, false],
		])
		threads[1]?.answer(content)
		await settle()
		await clock.advance(10_000)
		expect(began).toEqual(['slow', 'b1', 'slow'])
		expect(done.at(-1)).toBe('slow {"kind":"fault","fault":{"kind":"decode","rule":"time"}}')
	})

	it('what took too long was kept waiting by the machine, perhaps: it is tried again after ten minutes, and not before', async () => {
		const { clock, began, threads, forms, made } = staged()
		const slow = secretOf('slow')
		const make = () => forms.make('a', slow, [hex], never).then(([each]) => each?.kind)
		const first = make()
		await clock.advance(20_000)
		expect(await first).toBe('fault')
		await clock.advance(599_999)
		expect([await make(), began]).toEqual(['fault', ['slow', 'slow']])
		await clock.advance(1)
		const again = make()
		await settle()
		threads.at(-1)?.answer(made(1))
		expect([await again, began]).toEqual(['content', ['slow', 'slow', 'slow']])
	})

	it('ten thousand entries of one namespace that fail have nothing of another one tried again', async () => {
		const tried: string[] = []
		const thread: Thread = {
			async make({ value, forms }) {
				tried.push(value)
				return { kind: 'formed', formed: forms.map((form) => limitPassed(form ?? hex, 'size')), cpuMs: 1 }
			},
			stop() {},
			isEnded: false,
		}
		const forms = createForms({ clock: new FakeClock(), start: () => thread })
		open.push(forms)
		const mine = secretOf('mine')
		await forms.make('a', mine, [hex], never)
		const many = Array.from({ length: 500 }, (_, i) => property(`/${i}`))
		for (let i = 0; i < 21; i++) await forms.make('greedy', secretOf(`greedy-${i}`), many, never)
		await forms.make('a', mine, [hex], never)
		expect(tried.filter((value) => value === 'mine')).toHaveLength(1)
	})

	it('a thread that is out of memory says that the value is too large', async () => {
		const { done, threads, make } = staged()
		void make('large')
		await settle()
		threads[0]?.answer({ kind: 'tooLarge' })
		await settle()
		expect(done).toEqual(['large {"kind":"fault","fault":{"kind":"decode","rule":"size"}}'])
	})

	it('ends the thread after a minute without work, and starts another one for the next', async () => {
		const { clock, threads, make, content } = staged()
		void make('a1')
		await settle()
		threads[0]?.answer(content)
		await clock.advance(59_999)
		expect(threads[0]?.stopped).toBe(false)
		await clock.advance(1)
		expect(threads[0]?.stopped).toBe(true)
		void make('a2')
		await settle()
		expect(threads).toHaveLength(2)
	})

	it('whoever gives up loses its turn and leaves no listener', async () => {
		const { began, threads, make, content } = staged()
		const stop = new AbortController()
		void make('a1')
		const given = make('a2', 'a', stop.signal)
		void make('a3')
		stop.abort(new Error('gave up'))
		await expect(given).rejects.toThrow('gave up')
		threads[0]?.answer(content)
		await settle()
		expect(began).toEqual(['a1', 'a3'])
		expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
	})
})
