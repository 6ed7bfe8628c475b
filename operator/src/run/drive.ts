import type { Answer, Arrival, Piece, Question } from '../engine/questions.ts'
import type { Clock } from '../process/clock.ts'
import { type Slices, unsliced } from '../process/slices.ts'

// The usual interval of a binding: who takes longer than that would keep a worker from all others for as long. A first poll
// of 500 secrets at 0.2 s each, four at once, takes 25 s.
const PASS_MS = 60_000

/** What a question may tell of itself while it is open. */
export interface Asking {
	readonly signal: AbortSignal
	/** whether it waits for the budget of the vault, which is no time of the vault */
	waits(isWaiting: boolean): void
}

export interface DriveOptions {
	clock: Clock
	/** measures the time of the vault; default: `clock`. Apart for tests, which hurry the work and cannot hurry a network */
	networkClock?: Clock | undefined
	/** aborts when nobody waits for the pass any more */
	signal: AbortSignal
	/** aborts when it is to ask the vault nothing more, as somebody wants something else by now */
	edited?: AbortSignal | undefined
	/** does not reject but for a bug of ours, or when `asking.signal` aborted */
	answer(question: Question, asking: Asking): Promise<Answer> | Answer
	/** in which the steps of the pass are made, so that many passes do not keep the event loop for themselves; default: at once */
	slices?: Slices | undefined
	/** for whom slices are used: the namespace */
	group?: string | undefined
	/** waits for the next answer while everything that is open is with the vault, and whether no value or file has come yet; default: just so */
	idle?: ((arrived: Promise<void>, isLight: boolean) => Promise<void>) | undefined
	/** how long the vault may take for all that is asked of it, milliseconds */
	passMs?: number | undefined
}

/**
 * The only loop with IO: asks what a pass wants to know, and hands on each answer as it arrives.
 *
 * 1. What is open runs side by side. The pass gets one arrival at a time, in the order in which they came.
 * 2. The time in which at least one question is with the vault counts; waiting for the vault's budget does not. When it is
 *    used up, questions that are open or asked later are answered `timeout`: what is known by then is still written.
 * 3. Who edits what it is for does not wait for a vault that keeps it for minutes: that ends it, but not in the middle of a write.
 * 4. When the pass has ended, what is still open is aborted.
 *
 * @throws `signal.reason`, `edited.reason`, or what an answer rejected with
 */
export async function drive<R>(piece: Piece<R>, options: DriveOptions): Promise<R> {
	const { clock, signal, answer, slices = unsliced, group = '', idle = (arrived) => arrived } = options
	const { edited } = options
	const onAbort = () => fail(signal.reason)
	const onEdited = () => open.size > 0 && isWithVault() && fail(edited?.reason)
	const open = new Map<Question, AbortController>()
	const isWithVault = () => [...open.keys()].every(isOfVault)
	const arrivals: Arrival[] = []
	let failure: { readonly error: unknown } | undefined
	let isLight = true
	let wake = () => {}
	const fail = (error: unknown) => {
		failure ??= { error }
		wake()
	}
	const arrive = (question: Question, given: Answer) => {
		if (!open.delete(question)) return
		isLight &&= !holdsBytes(given)
		arrivals.push({ question, answer: given, at: { now: clock.now(), monotonic: clock.monotonic() } })
		wake()
	}
	const time = createTime(options.networkClock ?? clock, options.passMs ?? PASS_MS, () => {
		for (const [question, asking] of [...open]) {
			if (!isOfVault(question)) continue
			arrive(question, TIMEOUT)
			asking.abort(new Error('the pass ran out of time'))
		}
	})
	const start = (question: Question) => {
		if (edited?.aborted && isOfVault(question)) return fail(edited.reason)
		const asking = new AbortController()
		open.set(question, asking)
		if (isOfVault(question) && time.over) return arrive(question, TIMEOUT)
		const counts = isOfVault(question) ? time.count() : undefined
		const waits = (isWaiting: boolean) => counts?.(!isWaiting)
		const one: Asking = { signal: asking.signal, waits }
		const work = async () => arrive(question, await answer(question, one))
		work()
			.catch((error: unknown) => open.delete(question) && fail(error))
			.finally(() => counts?.(false))
	}
	signal.addEventListener('abort', onAbort, { once: true })
	edited?.addEventListener('abort', onEdited, { once: true })
	try {
		signal.throwIfAborted()
		let step = piece.next()
		while (!step.done) {
			for (const question of step.value) start(question)
			while (arrivals.length === 0 && !failure) {
				const { promise, resolve } = Promise.withResolvers<void>()
				wake = resolve
				await (isWithVault() ? idle(promise, isLight) : promise)
			}
			if (failure) throw failure.error
			const [arrival] = arrivals.splice(0, 1)
			if (arrival) step = await slices(group, () => piece.next(arrival))
			signal.throwIfAborted()
		}
		return step.value
	} finally {
		signal.removeEventListener('abort', onAbort)
		edited?.removeEventListener('abort', onEdited)
		time.end()
		for (const asking of open.values()) asking.abort(ENDED)
	}
}

// Made once: an error takes its stack with it, and there is one of these for every question.
const ENDED = new Error('the pass has ended')
const TIMEOUT: Answer = { kind: 'fault', fault: { kind: 'timeout' } }

/** What may be a Secret of 1 MiB; of lists only what is needed is kept, and bounded by itself. */
const holdsBytes = ({ kind }: Answer) => kind === 'secret' || kind === 'ours'

const isOfVault = ({ ask }: Question) => ask === 'list' || ask === 'read' || ask === 'versions' || ask === 'form'

interface Time {
	readonly over: boolean
	/** One more question is with the vault. Call it with whether it still is. */
	count(): (is: boolean) => void
	end(): void
}

/**
 * Counts the time in which at least one question is with the vault. Its one timer goes on while none is, and is set again for what is left
 * when it was too early: questions come and go all the time.
 */
function createTime(clock: Clock, limitMs: number, onOver: () => void): Time {
	let used = 0
	let counting = 0
	let since = 0
	let timer: AbortController | undefined
	let over = false
	const usedNow = () => (counting > 0 ? used + clock.monotonic() - since : used)
	const wait = (ms: number) => {
		const stop = new AbortController()
		timer = stop
		clock.sleep(ms, stop.signal).then(onTime, () => {})
	}
	const onTime = () => {
		timer = undefined
		const left = limitMs - usedNow()
		if (left > 0) {
			if (counting > 0) wait(left)
			return
		}
		over = true
		onOver()
	}
	const change = (by: 1 | -1) => {
		if (counting === 0) since = clock.monotonic()
		else if (counting + by === 0) used = usedNow()
		counting += by
		if (counting > 0 && !timer && !over) wait(limitMs - used)
	}
	return {
		get over() {
			return over
		},
		count() {
			let counted = true
			change(1)
			return (is) => {
				if (is === counted) return
				counted = is
				change(is ? 1 : -1)
			}
		},
		end: () => timer?.abort(ENDED),
	}
}
