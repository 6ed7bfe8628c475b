import type { Clock } from './clock.ts'
import type { PendingWrite } from './view.ts'

interface Entry extends PendingWrite {
	/** Version that the mount showed when the call began. */
	readonly base: string | undefined
	/** Monotonic milliseconds. */
	readonly deadline: number
}

/**
 * Read-your-writes: what this process wrote, until the mount has caught up.
 *
 * 1. An entry is made when the vault has accepted the call, with the version that the mount showed when the call began.
 * 2. While the mount shows that version, the entry lies over it.
 * 3. When the mount shows another version, or at the deadline, the entry goes and the mount decides.
 */
export class Overlay {
	readonly #entries = new Map<string, Entry>()
	readonly #clock: Clock
	readonly #keepMs: number

	/** @param keepMs milliseconds after which an entry goes whatever the mount shows */
	constructor(clock: Clock, keepMs: number) {
		this.#clock = clock
		this.#keepMs = keepMs
	}

	get entries(): ReadonlyMap<string, PendingWrite> {
		return this.#entries
	}

	add(name: string, write: PendingWrite & { base: string | undefined }): void {
		this.#entries.set(name, { ...write, deadline: this.#clock.monotonic() + this.#keepMs })
	}

	/** Drops entries that are over. @param shown version that the mount shows of a name */
	settle(shown: (name: string) => string | undefined): void {
		const now = this.#clock.monotonic()
		for (const [name, entry] of this.#entries) {
			if (shown(name) !== entry.base || now >= entry.deadline) this.#entries.delete(name)
		}
	}

	clear(): void {
		this.#entries.clear()
	}
}
