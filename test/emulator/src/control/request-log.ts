// What was asked, for tests that count calls. No paths, no values, no tokens: nothing here can leak.

export interface LoggedRequest {
	/** Arrival: milliseconds since the epoch by the machine's clock, not by the emulator's movable one. */
	readonly at: number
	readonly kind: 'vault' | 'token' | 'other'
	/** Operation, such as `getSecret` or `token`; `unknown` for a path that is none. */
	route: string
	readonly method: string
	readonly vault?: string
	/** Set when the request is authenticated (vault) or names a client (token). */
	clientId?: string
	secret?: string
	version?: string
	/** Absent until it was answered; stays absent for a reset or a hang. */
	status?: number
	/** Error code of the answer: `SecretNotFound`, `ForbiddenByRbac`, `AADSTS700213`, … */
	code?: string
	/** Id of the fault that was applied. */
	fault?: string
}

export interface RequestCount {
	readonly kind: LoggedRequest['kind']
	readonly route: string
	readonly vault?: string
	readonly clientId?: string
	readonly status?: number
	readonly count: number
}

/** Entries kept: an hour at 25 requests a second, some 20 MB. */
const MAX_ENTRIES = 100_000

export class RequestLog {
	#entries: LoggedRequest[] = []
	readonly #now: () => number

	constructor(now: () => number) {
		this.#now = now
	}

	/** Adds an entry at arrival; the caller completes it. */
	begin(entry: Omit<LoggedRequest, 'at'>): LoggedRequest {
		const begun: LoggedRequest = { at: this.#now(), ...entry }
		this.#entries.push(begun)
		// Half at once, so that the cost of dropping is spread over many requests.
		if (this.#entries.length > MAX_ENTRIES) this.#entries = this.#entries.slice(MAX_ENTRIES / 2)
		return begun
	}

	/** Entries that arrived at or after `since`. */
	since(since: number = 0): LoggedRequest[] {
		return this.#entries.filter((entry) => entry.at >= since).map((entry) => ({ ...entry }))
	}

	/** The kept entries by kind, route, vault, client and status. */
	counts(since: number = 0): RequestCount[] {
		const counts = new Map<string, { -readonly [K in keyof RequestCount]: RequestCount[K] }>()
		for (const { at, kind, route, vault, clientId, status } of this.#entries) {
			if (at < since) continue
			const key = JSON.stringify([kind, route, vault, clientId, status])
			const found = counts.get(key)
			if (found) found.count += 1
			else {
				counts.set(key, {
					kind,
					route,
					...(vault === undefined ? {} : { vault }),
					...(clientId === undefined ? {} : { clientId }),
					...(status === undefined ? {} : { status }),
					count: 1,
				})
			}
		}
		return [...counts.values()]
	}

	clear(): void {
		this.#entries = []
	}
}
