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
	readonly value: VaultValue | undefined
	readonly at: number
	/** Monotonic milliseconds before which a value beyond its time is served without asking again. */
	retryAt: number
	stale: boolean
}

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
	readonly #flights = new Map<string, Promise<VaultValue | undefined>>()
	#vaultReads = 0
	#hits = 0
	#staleReads = 0

	constructor(options: FallbackOptions) {
		this.#options = options
	}

	/** The current value, or undefined when the vault has none. @throws VaultFault */
	async read(address: SecretAddress): Promise<VaultValue | undefined> {
		const key = addressKey(address)
		const entry = this.#entries.get(key)
		const now = this.#options.clock.monotonic()
		if (entry !== undefined) {
			const ttl = entry.value === undefined ? this.#options.absentTtlMs : this.#options.ttlMs
			if (now - entry.at < ttl) {
				this.#hits += 1
				return entry.value
			}
			if (now < entry.retryAt && now - entry.at < this.#options.staleMs) {
				this.#staleReads += 1
				return entry.value
			}
		}
		const flight = this.#flights.get(key) ?? this.#fly(key, address)
		try {
			return await flight
		} catch (error) {
			const stale = this.#staleOf(key, error)
			if (stale === undefined) throw error
			return stale
		}
	}

	/**
	 * Forgets what is known of a secret, because it was written. Of that name in any vault: a mount may name the vault in another way than
	 * the configuration does, and asking once more harms nobody.
	 */
	forget({ objectName }: SecretAddress): void {
		const end = addressKey({ vault: undefined, objectName })
		for (const map of [this.#entries, this.#flights])
			for (const key of map.keys()) if (key.endsWith(end)) map.delete(key)
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
			hits: this.#hits,
			staleReads: this.#staleReads,
			oldestStaleMs,
		}
	}

	#fly(key: string, address: SecretAddress): Promise<VaultValue | undefined> {
		this.#vaultReads += 1
		const flight = this.#get(address).then(
			(value) => {
				if (this.#flights.get(key) === flight) this.#store(key, value)
				return value
			},
			(error: unknown) => {
				if (this.#flights.get(key) === flight) this.#flights.delete(key)
				throw error
			},
		)
		this.#flights.set(key, flight)
		return flight
	}

	async #get(address: SecretAddress): Promise<VaultValue | undefined> {
		try {
			return await this.#options.vault.get(address)
		} catch (error) {
			if (error instanceof VaultFault && error.reason === 'NotFound') return undefined
			throw error
		}
	}

	#store(key: string, value: VaultValue | undefined): void {
		this.#flights.delete(key)
		this.#entries.delete(key)
		if ((value === undefined ? this.#options.absentTtlMs : this.#options.ttlMs) <= 0) return
		this.#entries.set(key, { value, at: this.#options.clock.monotonic(), retryAt: 0, stale: false })
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
