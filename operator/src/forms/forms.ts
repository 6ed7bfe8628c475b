import { createHash } from 'node:crypto'
import type { Form } from '../api/parse.ts'
import { type Formed, limitPassed, nameOfForm } from '../engine/form.ts'
import type { VaultSecret } from '../ports/vault.ts'
import type { Clock } from '../process/clock.ts'
import { mostOf } from '../process/counts.ts'
import { createTurns, type Place } from '../process/turns.ts'
import type { Work } from './message.ts'
import { type Made, startThread, type Thread } from './thread.ts'

/** How one piece of work ended, for a metric. */
export type FormsResult = Made['kind'] | 'known'

export interface FormsOptions {
	clock: Clock
	/** seconds of waiting and work */
	observe?: ((result: FormsResult, seconds: number) => void) | undefined
	/** default: a thread of Node */
	start?: (() => Thread) | undefined
}

/** Makes contents of files out of values, in a thread of its own, because tenants may have written anything. */
export interface Forms {
	/**
	 * One value is parsed once for all forms, and answered for each of them, in their order. What cannot be made of a version
	 * is remembered and not tried again, as long as version, content type and form are the same. What only took too long is, after some minutes.
	 *
	 * @throws signal.reason, or Error when no thread can be started
	 */
	make(
		namespace: string,
		secret: VaultSecret,
		forms: readonly (Form | undefined)[],
		signal: AbortSignal,
	): Promise<readonly Formed[]>
	/** Ends the thread. */
	close(): void
}

// The dearest value that is allowed (pki/pfx.ts) takes 0.4 s with both tries. Twenty-five times that, for a pod with little CPU.
const DEADLINE_MS = 10_000
// A deadline may pass because the machine had no time. What passes it twice is told.
const MAX_TRIES = 2
// No value that is allowed takes as long, so then it was the machine: it will have time again.
const AGAIN_MS = 10 * 60_000
// A thread has some 15 MB. A minute without work and it is given back: the interval that most bindings have.
const IDLE_MS = 60_000
// Of entries that failed: a digest and a shared fault, some 200 bytes each. Twenty for each of the 500 entries of a binding.
const MAX_REMEMBERED = 10_000

// Made once: an error takes its stack with it.
const MADE = new Error('there is nothing to wait for')

interface Failed {
	readonly formed: Formed
	/** monotonic time from which on it is tried again; undefined: never */
	readonly again?: number
}

interface Job {
	readonly place: Place
	readonly work: Work
	tries: number
	settle(made: Made): void
	fail(error: unknown): void
}

/**
 * 1. Namespaces take turns by the time of a processor that they used, first come first served within one: a namespace whose values are
 *    cheap waits for the one that is being made, however many namespaces have a thousand dear ones.
 * 2. One thread does all the work, one value at a time. It is started when there is some and ended when there was none for a
 *    while, or when a value takes longer than its deadline; the next value then gets a new one.
 * 3. A value that passed the deadline is tried once more when it is the turn of its namespace.
 */
export function createForms({ clock, observe = () => {}, start = startThread }: FormsOptions): Forms {
	const waiting = createTurns<Job>()
	/** by namespace, digest of what failed → its fault; holds no value and nothing made of one */
	const failed = new Map<string, Map<string, Failed>>()
	let remembered = 0
	/** one object for each fault, of which there are some dozens: a tenant may have thousands of entries that fail */
	const faults = new Map<string, Failed>()
	let thread: Thread | undefined
	let busy = false
	let idle: AbortController | undefined
	let closed = false

	const threadNow = (): Thread => {
		if (!thread || thread.isEnded) thread = start()
		return thread
	}
	const tryOne = async ({ work }: Job): Promise<Made> => {
		const at = threadNow()
		const done = new AbortController()
		// Not awaited: whichever is first ends the other.
		clock.sleep(DEADLINE_MS, done.signal).then(
			() => at.stop(),
			() => {},
		)
		try {
			return await at.make(work)
		} finally {
			done.abort(MADE)
		}
	}
	const run = async () => {
		busy = true
		idle?.abort(MADE)
		for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
			const began = clock.monotonic()
			try {
				const made = await tryOne(job)
				// What the machine or the start of a thread took meanwhile is not what the value costs.
				waiting.used(job.place.group, 'cpuMs' in made ? made.cpuMs : clock.monotonic() - began)
				if (made.kind === 'tooLong' && ++job.tries < MAX_TRIES && !closed) waiting.add(job.place, job)
				else job.settle(made)
			} catch (error) {
				job.fail(error)
			}
		}
		busy = false
		idle = new AbortController()
		clock.sleep(IDLE_MS, idle.signal).then(
			() => thread?.stop(),
			() => {},
		)
	}
	const queue = (namespace: string, work: Work, signal: AbortSignal): Promise<Made> =>
		new Promise((resolve, reject) => {
			const place = { group: namespace, subgroup: '', first: false }
			const job: Job = {
				place,
				work,
				tries: 0,
				settle(made) {
					signal.removeEventListener('abort', abort)
					resolve(made)
				},
				fail(error) {
					signal.removeEventListener('abort', abort)
					reject(error)
				},
			}
			// What is being made goes on for nobody; its deadline ends it.
			const abort = () => {
				waiting.remove(place, job)
				job.fail(signal.reason)
			}
			signal.addEventListener('abort', abort, { once: true })
			waiting.add(place, job)
			if (!busy) void run()
		})
	const remember = (namespace: string, id: string, formed: Formed, again?: number) => {
		const text = JSON.stringify(formed)
		const shared = again === undefined ? (faults.get(text) ?? { formed }) : { formed, again }
		if (again === undefined) faults.set(text, shared)
		const own = failed.get(namespace) ?? new Map<string, Failed>()
		failed.set(namespace, own)
		if (!own.has(id)) remembered++
		own.set(id, shared)
		if (remembered > MAX_REMEMBERED) forgetOne()
	}
	/** The oldest of the namespace that has most: otherwise one with thousands has those of all others parsed again at each poll. */
	const forgetOne = () => {
		const namespace = mostOf([...failed].map(([each, own]) => [each, own.size])) ?? ''
		const own = failed.get(namespace)
		const [oldest = ''] = own?.keys() ?? []
		if (own?.delete(oldest)) remembered--
		if (own?.size === 0) failed.delete(namespace)
	}

	return {
		async make(namespace, secret, forms, signal) {
			signal.throwIfAborted()
			if (closed) throw new Error('the parser of values was closed')
			const { contentType } = secret.facts
			const idOf = (form: Form) => digestOf([secret.version, contentType, nameOfForm(form)])
			const formed = new Map<Form | undefined, Formed>([[undefined, { kind: 'content', content: secret.value() }]])
			const open: Form[] = []
			for (const form of forms) {
				if (form === undefined || formed.has(form)) continue
				const known = failed.get(namespace)?.get(idOf(form))
				if (known && clock.monotonic() < (known.again ?? Number.POSITIVE_INFINITY)) formed.set(form, known.formed)
				else open.push(form)
			}
			if (open.length === 0) observe('known', 0)
			else {
				const began = clock.monotonic()
				const made = await queue(namespace, { value: secret.value(), contentType, forms: open }, signal)
				observe(made.kind, (clock.monotonic() - began) / 1000)
				const again = made.kind === 'tooLong' ? clock.monotonic() + AGAIN_MS : undefined
				for (const [i, each] of formedOf(made, open).entries()) {
					const form = open[i]
					if (!form) continue
					formed.set(form, each)
					// Nothing is kept of what could be made.
					if (each.kind === 'fault') remember(namespace, idOf(form), each, again)
				}
			}
			return forms.map((form) => formed.get(form) ?? missing())
		},
		close() {
			closed = true
			idle?.abort(MADE)
			thread?.stop()
		},
	}
}

function formedOf(made: Made, forms: readonly Form[]): readonly Formed[] {
	if (made.kind === 'formed') return made.formed
	if (made.kind === 'failed') throw new Error('a value could not be parsed, by a mistake of this program')
	const rule = made.kind === 'tooLarge' ? 'size' : 'time'
	return forms.map((form) => limitPassed(form, rule))
}

function missing(): never {
	throw new Error('the thread answered for other forms than it was asked for')
}

/** As short for a pointer of 512 characters as for a word: 10,000 of them are remembered. */
const digestOf = (identity: readonly unknown[]) =>
	createHash('sha256').update(JSON.stringify(identity)).digest('base64url')
