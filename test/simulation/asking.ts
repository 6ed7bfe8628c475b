// Drives one pass: asks what it opens, hands it each answer as it arrives.

import { readByLists } from '../../operator/src/engine/by-lists.ts'
import { giveForms } from '../../operator/src/engine/form.ts'
import type { PassResult } from '../../operator/src/engine/input.ts'
import type { Answer, Away, Fault, Piece, Question, Questions } from '../../operator/src/engine/questions.ts'
import type { Source } from '../../operator/src/engine/source.ts'
import { parseCertificate } from '../../operator/src/pki/certificate.ts'
import type { Life, Reply } from './network.ts'
import type { SimulatedDestination } from './secret-destination.ts'
import type { VaultService } from './vault-service.ts'
import { POLL_MS, type World } from './world.ts'

interface Asked {
	service: VaultService
	source: Source
	destination: SimulatedDestination
	/** values are not read: so many secrets are wanted, and lists tell of them */
	byLists?: number | undefined
}

const TIMEOUT: Answer = { kind: 'fault', fault: { kind: 'timeout' } }
const isOfVault = ({ ask }: Question) => ask === 'list' || ask === 'read' || ask === 'versions'

export class Asking {
	readonly #world: World
	readonly #asked: Asked
	readonly #vault: string
	readonly #open = new Set<Question>()
	#followed = 0
	#over = false

	constructor(world: World, asked: Asked) {
		this.#world = world
		this.#asked = asked
		this.#vault = new URL(asked.source.vaultUrl).hostname.split('.')[0] ?? ''
	}

	/**
	 * @param guarded what it runs is the operator's own, and may not throw
	 * @param done with the result, when the pass has ended
	 */
	drive(
		piece: Piece<PassResult>,
		guarded: (work: () => void) => void,
		done: (result: PassResult) => void,
		alive: () => Life,
	): void {
		const { agenda } = this.#world
		let ended = false
		const took = (step: IteratorResult<readonly Question[], PassResult>): void => {
			if (step.done) {
				ended = true
				done(step.value)
				return
			}
			for (const question of step.value) {
				this.#open.add(question)
				this.#ask(question, (answer) => arrived(question, answer))
			}
		}
		const arrived = (question: Question, answer: Answer) => {
			if (ended || alive() !== 'alive' || !this.#open.delete(question)) return
			const at = { now: agenda.now(), monotonic: agenda.monotonic }
			guarded(() => took(piece.next({ question, answer, at })))
		}
		agenda.after(POLL_MS, () => {
			this.#over = true
			for (const question of [...this.#open]) if (isOfVault(question)) arrived(question, TIMEOUT)
		})
		guarded(() => took(piece.next()))
	}

	#ask(question: Question, arrive: (answer: Answer) => void): void {
		const { service, destination } = this.#asked
		const { agenda } = this.#world
		// An answer never comes while its question is still being put.
		const soon = (answer: Answer) => agenda.after(0, () => arrive(answer))
		if (this.#over && isOfVault(question)) {
			soon(TIMEOUT)
			return
		}
		switch (question.ask) {
			case 'session':
				soon(this.#session(question))
				break
			case 'list':
				service.list(this.#sessionName(), this.#vault, question, (reply) =>
					arrive(answerOf(reply, (listing) => ({ kind: 'listing', listing }))),
				)
				break
			case 'read':
				if (this.#asked.byLists !== undefined) this.#readByLists(question, this.#asked.byLists, arrive)
				else
					service.read(this.#sessionName(), this.#vault, question, (reply) =>
						arrive(answerOf(reply, (secret) => ({ kind: 'secret', secret }))),
					)
				break
			case 'versions':
				service.versions(this.#sessionName(), this.#vault, question, (reply) =>
					arrive(answerOf(reply, (listing) => ({ kind: 'versions', listing }))),
				)
				break
			case 'form':
				soon(this.#asked.byLists === undefined ? formed(question) : formedOfNothing(question))
				break
			case 'readBack':
				destination.readBack(arrive)
				break
			case 'write':
				destination.write(question.change, arrive)
				break
			case 'pause':
				soon({ kind: 'paused' })
				break
			case 'removeFormer':
				destination.removeFormer(question.formerName, arrive)
		}
	}

	/** As vault/without-values.ts does it. */
	#readByLists(question: Readonly<Questions['read']>, wanted: number, arrive: (answer: Answer) => void): void {
		const { agenda } = this.#world
		const at = () => ({ now: agenda.now(), monotonic: agenda.monotonic })
		const lists = this.#asked.service.lists(this.#sessionName())
		const piece = readByLists(question, { lists, followed: this.#followed, wanted }, at())
		const go = (step: IteratorResult<readonly Question[], Answer>): void => {
			if (step.done) {
				arrive(step.value)
				return
			}
			const [inner] = step.value
			if (inner) this.#ask(inner, (answer) => go(piece.next({ question: inner, answer, at: at() })))
		}
		go(piece.next())
	}

	#sessionName(): string {
		return `${this.#vault}/${this.#asked.source.clientId}`
	}

	#session({ follow, interval }: Readonly<Questions['session']>): Answer {
		const { monotonic } = this.#world.agenda
		if (follow) this.#followed = follow.objects.size
		return {
			kind: 'session',
			followed: this.#followed,
			lists: this.#asked.service.lists(this.#sessionName()),
			issuer: 'https://issuer.test',
			nextTick: (Math.floor(monotonic / interval) + 1) * interval,
		}
	}
}

const formed = ({ secret, forms }: Readonly<Questions['form']>): Answer => ({
	kind: 'formed',
	formed: giveForms(forms, secret.value(), secret.facts.contentType, parseCertificate),
})

/** There is no value to make anything of (run/reconcile.ts). */
const formedOfNothing = ({ forms }: Readonly<Questions['form']>): Answer => ({
	kind: 'formed',
	formed: forms.map(() => ({ kind: 'content', content: '' })),
})

function answerOf<T>(reply: Reply<T>, ok: (value: T) => Answer): Answer | Fault | Away {
	switch (reply.kind) {
		case 'ok':
			return ok(reply.value)
		case 'fault':
			return { kind: 'fault', fault: reply.fault }
		case 'error':
		case 'away':
			return { kind: 'fault', fault: { kind: 'timeout' } }
	}
}
