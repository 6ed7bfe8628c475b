// What goes wrong between the operator and the other side, for so many requests.
import type { VaultFault } from '../../operator/src/engine/fault.ts'

/** What a request is for. */
export type Kind = 'list' | 'read' | 'versions' | 'readBack' | 'write' | 'remove' | 'status' | 'account'
export const VAULT_KINDS = ['list', 'read', 'versions'] as const satisfies Kind[]
export const API_KINDS = ['readBack', 'write', 'remove', 'status', 'account'] as const satisfies Kind[]

/** What becomes of a request. */
export type Effect =
	/** the vault, Entra or what is between says no */
	| { kind: 'fault'; fault: VaultFault }
	/** it takes so long */
	| { kind: 'slow'; ms: number }
	/** it gets there so much later */
	| { kind: 'late'; ms: number }
	/** headers come, or some bytes, and never the end: only the deadline of the pass ends it */
	| { kind: 'stall' }
	/** it never gets there */
	| { kind: 'lostRequest' }
	/** it gets there and is done, and the answer never comes back */
	| { kind: 'lostAnswer' }
	/** an admission policy, a quota or a missing grant: the API server says no */
	| { kind: 'refused' }

interface Fault {
	kinds: readonly Kind[]
	effect: Effect
	times: number
}

export class Faults {
	#open: Fault[] = []
	/** the identity has its role */
	role = true
	/** and with it the right to list, which some roles lack */
	listing = true
	/** an admission policy of the cluster refuses each write */
	admission = true

	add(kinds: readonly Kind[], effect: Effect, times: number): void {
		this.#open.push({ kinds, effect, times })
	}

	clear(): void {
		this.#open = []
		this.role = true
		this.listing = true
		this.admission = true
	}

	/** @param mayWait it has not been late yet. @returns what becomes of this request */
	take(kind: Kind, mayWait: boolean): Effect | undefined {
		const fault = this.#open.find(({ kinds, effect }) => kinds.includes(kind) && (mayWait || effect.kind !== 'late'))
		if (fault && --fault.times <= 0) this.#open = this.#open.filter((each) => each !== fault)
		return fault ? fault.effect : this.lasting(kind)
	}

	/** What becomes of any request for as long as it is so. */
	lasting(kind: Kind): Effect | undefined {
		const lists = kind === 'list' || kind === 'versions'
		if (lists && !this.listing) return { kind: 'fault', fault: { kind: 'forbiddenRbac' } }
		const vault = (VAULT_KINDS as readonly Kind[]).includes(kind)
		if (vault && !this.role) return { kind: 'fault', fault: { kind: 'forbiddenRbac' } }
		if (kind === 'write' && !this.admission) return { kind: 'refused' }
		return undefined
	}
}
