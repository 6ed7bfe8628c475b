// Faults on demand: which request meets which fault.
import type { Random } from '../random.ts'

export interface FaultMatch {
	/** Operation, such as `getSecret`, `listSecrets`, `token`; absent: any. */
	readonly route?: string
	readonly vault?: string
	readonly clientId?: string
}

export interface Fault {
	readonly match?: FaultMatch
	/**
	 * `status`: answers with `status` and the error shape of the place. `delay`: waits `delayMs`, then goes on.
	 * `hang`: never answers. `reset`: ends the connection with a TCP reset. `truncate`: sends half of the real body.
	 * `garbage`: a 200 with a body that is not JSON. `html`: an HTML page as a proxy would send, 403 unless `status` says otherwise.
	 * `unauthorized`: the transient 401 AKV10046. `challenge`: a 401 with a claims challenge.
	 */
	readonly action:
		| 'status'
		| 'delay'
		| 'hang'
		| 'reset'
		| 'truncate'
		| 'garbage'
		| 'html'
		| 'unauthorized'
		| 'challenge'
	readonly status?: number
	/** Error code for `status`: outer code for a vault, AADSTS number for Entra. */
	readonly code?: string
	readonly innerCode?: string
	readonly message?: string
	/** `Retry-After` in seconds; without it none is sent. */
	readonly retryAfter?: number
	readonly delayMs?: number
	/** Ends after so many hits. */
	readonly times?: number
	/** Skips the first so many matching requests. */
	readonly after?: number
	/** Chance of a hit, 0 to 1; drawn from the emulator's seed. */
	readonly probability?: number
}

export interface ActiveFault {
	readonly id: string
	readonly fault: Fault
	hits: number
	seen: number
}

export interface FaultedRequest {
	readonly route: string
	readonly vault?: string | undefined
	readonly clientId?: string | undefined
}

export class FaultRules {
	readonly #random: Random
	#active: ActiveFault[] = []
	#counter = 0

	constructor(random: Random) {
		this.#random = random
	}

	add(fault: Fault): string {
		const id = `fault-${++this.#counter}`
		this.#active.push({ id, fault, hits: 0, seen: 0 })
		return id
	}

	remove(id: string): boolean {
		const before = this.#active.length
		this.#active = this.#active.filter((each) => each.id !== id)
		return this.#active.length < before
	}

	list(): ReadonlyArray<Readonly<ActiveFault>> {
		return this.#active.map((each) => ({ ...each }))
	}

	clear(): void {
		this.#active = []
	}

	/** The faults a request meets, in the order they were added; at most one that is not a delay, the first. */
	pick(request: FaultedRequest): ActiveFault[] {
		const picked: ActiveFault[] = []
		for (const active of this.#active) {
			const { fault } = active
			if (!matches(fault.match ?? {}, request)) continue
			if (active.hits >= (fault.times ?? Number.POSITIVE_INFINITY)) continue
			active.seen += 1
			if (active.seen <= (fault.after ?? 0)) continue
			if (fault.probability !== undefined && this.#random.next() >= fault.probability) continue
			active.hits += 1
			picked.push(active)
			if (fault.action !== 'delay') break
		}
		return picked
	}
}

const matches = (match: FaultMatch, request: FaultedRequest): boolean =>
	(match.route === undefined || match.route === request.route) &&
	(match.vault === undefined || match.vault === request.vault) &&
	(match.clientId === undefined || match.clientId === request.clientId)
