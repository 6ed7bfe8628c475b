import type { Clock } from './clock.ts'
import { addressKey, type SecretAddress, type Vault, VaultFault, type VaultValue } from './vault/vault.ts'

export interface FallbackOptions {
	readonly vault: Pick<Vault, 'get'>
	readonly clock: Clock
	/** Milliseconds a value is served from memory; 0 for never. */
	readonly ttlMs: number
	/** Milliseconds "there is no such secret" is served from memory. */
	readonly absentTtlMs: number
	/** Milliseconds a value is served when the vault cannot be reached. */
	readonly staleMs: number
	/** Called when the first value of an outage is served beyond its time. */
	readonly onStale: (ageMs: number) => void
	/** Called when the vault has something else now than what is in memory, whoever found out and under whatever name. */
	readonly onReplaced: () => void
}

/** What reads beyond the mounts cost and how old they are. */
export interface FallbackStatus {
	/** Names held in memory. */
	readonly cached: number
	/** GETs sent to the vault. */
	readonly vaultReads: number
	/** Reads answered from memory. */
	readonly hits: number
	/** Reads answered with a value beyond its time, because the vault could not be reached. */
	readonly staleReads: number
	/** Milliseconds since the oldest value that is now served beyond its time was read; undefined when there is none. */
	readonly oldestStaleMs: number | undefined
}

interface Entry {
	readonly objectName: string
	readonly value: VaultValue | undefined
	readonly at: number
	/** Monotonic milliseconds before which a value beyond its time is served without asking again. */
	retryAt: number
	stale: boolean
}

interface Flight {
	readonly objectName: string
	readonly answer: Promise<VaultValue | undefined>
}

const keyOf = (address: SecretAddress, version = '') => `${addressKey(address)} ${version}`

// A service asks for tens of names. A thousand of some kilobytes bound what a mistake (names made of input) can hold.
const MAX_ENTRIES = 1_000
// Between attempts during an outage: the SDK itself has retried for some seconds by then.
const RETRY_MS = 5_000

/**
 * Reads of names that no mount covers.
 *
 * 1. A value younger than its time is served from memory, so is the answer that there is none.
 * 2. Otherwise one GET; calls for the same secret meanwhile share it.
 * 3. When the vault cannot be reached or throttles, a value that is not too old is served, with a warning when that begins; a
 *    refusal (denied, disabled) is never covered up.
 * 4. `forget` after a write: a GET that began before it answers only those who asked before it, and stays out of memory.
 */
export class Fallback {
	readonly #options: FallbackOptions
	readonly #entries = new Map<string, Entry>()
	readonly #flights = new Map<string, Flight>()
	/** Reads answered from memory, here and by whoever may serve what `freshUntil` allows. */
	hits = 0
	#vaultReads = 0
	#staleReads = 0

	constructor(options: FallbackOptions) {
		this.#options = options
	}

	/**
	 * The current value, or the version that is named; undefined when the vault has none.
	 *
	 * @param fresh asks the vault even when the value is young
	 * @throws VaultFault
	 */
	async read(address: SecretAddress, version?: string, fresh = false): Promise<VaultValue | undefined> {
		const key = keyOf(address, version)
		const entry = fresh ? undefined : this.#entries.get(key)
		const now = this.#options.clock.monotonic()
		if (entry !== undefined) {
			if (now - entry.at < this.#ttlOf(entry.value)) {
				this.hits += 1
				return entry.value
			}
			if (now < entry.retryAt && now - entry.at < this.#options.staleMs) {
				this.#staleReads += 1
				return entry.value
			}
		}
		const flight = this.#flights.get(key) ?? this.#fly(key, address, version)
		try {
			return await flight.answer
		} catch (error) {
			const stale = this.#staleOf(key, error)
			if (stale === undefined) throw error
			return stale
		}
	}

	/**
	 * Monotonic milliseconds until which a value that was read here may be served without asking again; 0 when it is not what is in memory:
	 * a GET that was under way for long may end after a later one.
	 */
	freshUntil(address: SecretAddress, version: string | undefined, found: VaultValue | undefined): number {
		const entry = this.#entries.get(keyOf(address, version))
		return entry?.value === undefined || entry.value !== found ? 0 : entry.at + this.#options.ttlMs
	}

	/**
	 * Forgets what is known of a secret, because it was written. Of that name in any vault: a mount may name the vault in another way than
	 * the configuration does, and asking once more harms nobody.
	 */
	forget({ objectName }: SecretAddress): void {
		const wanted = objectName.toLowerCase()
		for (const [key, entry] of this.#entries) if (entry.objectName === wanted) this.#entries.delete(key)
		for (const [key, flight] of this.#flights) if (flight.objectName === wanted) this.#flights.delete(key)
	}

	clear(): void {
		this.#entries.clear()
		this.#flights.clear()
	}

	status(): FallbackStatus {
		const now = this.#options.clock.monotonic()
		const ages = [...this.#entries.values()].filter((entry) => entry.stale).map((entry) => now - entry.at)
		const oldestStaleMs = ages.length === 0 ? undefined : Math.round(Math.max(...ages))
		return {
			cached: this.#entries.size,
			vaultReads: this.#vaultReads,
			hits: this.hits,
			staleReads: this.#staleReads,
			oldestStaleMs,
		}
	}

	#ttlOf(value: VaultValue | undefined): number {
		return value === undefined ? this.#options.absentTtlMs : this.#options.ttlMs
	}

	#fly(key: string, address: SecretAddress, version: string | undefined): Flight {
		this.#vaultReads += 1
		const objectName = address.objectName.toLowerCase()
		const answer = this.#get(address, version).then(
			(value) => {
				if (this.#flights.get(key) === flight) this.#store(key, objectName, value)
				return value
			},
			(error: unknown) => {
				if (this.#flights.get(key) === flight) this.#flights.delete(key)
				throw error
			},
		)
		const flight: Flight = { objectName, answer }
		this.#flights.set(key, flight)
		return flight
	}

	async #get(address: SecretAddress, version: string | undefined): Promise<VaultValue | undefined> {
		try {
			return await this.#options.vault.get(address, version)
		} catch (error) {
			if (error instanceof VaultFault && error.reason === 'NotFound') return undefined
			throw error
		}
	}

	#store(key: string, objectName: string, value: VaultValue | undefined): void {
		this.#flights.delete(key)
		const before = this.#entries.get(key)
		if (before !== undefined && before.value?.value !== value?.value) this.#options.onReplaced()
		this.#entries.delete(key)
		if (this.#ttlOf(value) <= 0) return
		this.#entries.set(key, { objectName, value, at: this.#options.clock.monotonic(), retryAt: 0, stale: false })
		const oldest = this.#entries.size > MAX_ENTRIES ? this.#entries.keys().next().value : undefined
		if (oldest !== undefined) this.#entries.delete(oldest)
	}

	#staleOf(key: string, error: unknown): VaultValue | undefined {
		const entry = this.#entries.get(key)
		if (entry?.value === undefined || !(error instanceof VaultFault)) return undefined
		if (error.reason !== 'Unavailable' && error.reason !== 'Throttled') return undefined
		const now = this.#options.clock.monotonic()
		const age = now - entry.at
		if (age >= this.#options.staleMs) return undefined
		if (!entry.stale) this.#options.onStale(Math.round(age))
		entry.stale = true
		entry.retryAt = now + RETRY_MS
		this.#staleReads += 1
		return entry.value
	}
}
