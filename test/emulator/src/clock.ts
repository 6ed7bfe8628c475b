/** Where time comes from: milliseconds since the epoch. */
export interface TimeSource {
	now(): number
}

export const systemTime: TimeSource = { now: () => Date.now() }

/**
 * The emulator's own clock. It runs with its source and can be moved, so that expiry, delays and throttle
 * windows pass without waiting.
 */
export class EmulatorClock implements TimeSource {
	readonly #source: TimeSource
	#offset = 0

	constructor(source: TimeSource) {
		this.#source = source
	}

	/** Milliseconds since the epoch. */
	now(): number {
		return this.#source.now() + this.#offset
	}

	/** Whole seconds since 1970: the only granularity that Key Vault shows. */
	seconds(): number {
		return Math.floor(this.now() / 1000)
	}

	/** How far it was moved against its source, in milliseconds. */
	get offsetMs(): number {
		return this.#offset
	}

	/** Moves the clock by `ms`; negative moves it back. */
	advance(ms: number): void {
		this.#offset += ms
	}

	/** Runs with the source again. */
	reset(): void {
		this.#offset = 0
	}
}
