// How long requests take, in which order they arrive, and which of them get lost.
import type { VaultFault } from '../../operator/src/engine/fault.ts'
import { ServiceError } from '../emulator/src/http/service-error.ts'
import type { Agenda } from './agenda.ts'
import { ApiRefusal } from './api-server.ts'
import type { Effect, Faults, Kind } from './faults.ts'
import { untraced } from './untraced.ts'

/** What came back of a request. */
export type Reply<T> =
	| { kind: 'ok'; value: T }
	| { kind: 'fault'; fault: VaultFault }
	/** the API server said no */
	| { kind: 'error'; error: ApiRefusal }
	/** nobody answered: it may have been done or not */
	| { kind: 'away' }

/** The deadline of one request, as the operator's adapters set it. */
export const REQUEST_MS = 10_000
// Of a healthy network: so that answers to questions that are asked together come in any order.
const FAST_MS = 40

export class Network {
	readonly #agenda: Agenda
	readonly #faults: Pick<Faults, 'take'>
	readonly #random: () => number
	/** something got there, or came back */
	readonly #happened: () => void
	/** writes that get there late: their process may be dead by then, and they are of the spec that it saw */
	lateWrites = 0

	constructor(agenda: Agenda, faults: Pick<Faults, 'take'>, random: () => number, happened: () => void) {
		this.#agenda = agenda
		this.#faults = faults
		this.#random = random
		this.#happened = happened
	}

	/**
	 * Sends a request: `work` is done on the other side when it gets there, and what came of it arrives some time later.
	 *
	 * @param alive whether the process that sent it is still there; its requests under way may outlive it
	 */
	send<T>(kind: Kind, work: () => T, arrive: (reply: Reply<T>) => void, alive: () => Life): void {
		const arrived = (reply: Reply<T>, ms: number) =>
			this.#agenda.after(ms, () => {
				if (alive() !== 'alive') return
				arrive(reply)
				this.#happened()
			})
		const there = (mayWait: boolean) => {
			if (alive() === 'dead') return
			// It waits once: after that other faults may still come to it.
			const effect = this.#faults.take(kind, mayWait)
			if (effect?.kind === 'late') {
				const isWrite = kind === 'write'
				if (isWrite) this.lateWrites++
				this.#agenda.after(effect.ms, () => {
					there(false)
					if (isWrite) this.lateWrites--
				})
				return
			}
			this.#answer(effect, work, arrived)
			this.#happened()
		}
		this.#agenda.after(this.#wait(), () => there(true))
	}

	#answer<T>(
		effect: Exclude<Effect, { kind: 'late' }> | undefined,
		work: () => T,
		arrived: (reply: Reply<T>, ms: number) => void,
	): void {
		switch (effect?.kind) {
			case undefined:
				arrived(done(work), this.#wait())
				return
			case 'slow':
				arrived(done(work), effect.ms)
				return
			case 'fault':
				arrived({ kind: 'fault', fault: effect.fault }, effect.fault.kind === 'timeout' ? REQUEST_MS : this.#wait())
				return
			case 'refused':
				arrived(
					{
						kind: 'error',
						error: new ApiRefusal(403, 'Forbidden', 'admission webhook "policy.test" denied the request'),
					},
					this.#wait(),
				)
				return
			case 'stall':
				// Whoever asked is told by the deadline of its pass.
				return
			case 'lostAnswer':
				done(work)
				arrived({ kind: 'away' }, REQUEST_MS)
				return
			case 'lostRequest':
				arrived({ kind: 'away' }, REQUEST_MS)
		}
	}

	#wait(): number {
		return Math.floor(this.#random() * FAST_MS)
	}
}

/** Of a process: gone, or gone with its requests still on their way. */
export type Life = 'alive' | 'dying' | 'dead'

function done<T>(work: () => T): Reply<T> {
	try {
		return { kind: 'ok', value: untraced(work) }
	} catch (error) {
		if (error instanceof ApiRefusal) return { kind: 'error', error }
		if (!(error instanceof ServiceError)) throw error
		if (error.status === 404) return { kind: 'fault', fault: { kind: 'absent' } }
		if (error.inner === 'SecretDisabled') return { kind: 'fault', fault: { kind: 'disabled' } }
		throw error
	}
}
