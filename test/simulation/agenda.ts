// Virtual time: what happens when, and nothing in between.

// 2026-03-01T00:00:00Z; any moment would do.
const EPOCH_MS = 1_772_323_200_000

interface Entry {
	at: number
	/** of two entries of one moment the older one comes first */
	order: number
	work: () => void
}

/** The clocks of the world, and a list of what is to come, soonest first. */
export class Agenda {
	/** monotonic, milliseconds */
	monotonic = 0
	/** how far the operator's wall clock was moved, milliseconds */
	#jumped = 0
	#order = 0
	readonly #entries: Entry[] = []

	/** The operator's wall clock, milliseconds since the epoch. */
	now(): number {
		return EPOCH_MS + this.monotonic + this.#jumped
	}

	/** The clock of vaults and API server, which nobody moves. */
	serverNow(): number {
		return EPOCH_MS + this.monotonic
	}

	/** Somebody sets the operator's wall clock. */
	jump(ms: number): void {
		this.#jumped += ms
	}

	/** Does this after so many milliseconds. */
	after(ms: number, work: () => void): void {
		const entry = { at: this.monotonic + Math.max(0, ms), order: this.#order++, work }
		let i = this.#entries.length
		// Few are open at once, and most of them are for soon: the list is kept sorted, the soonest last.
		while (i > 0 && before(this.#entries[i - 1] as Entry, entry)) i--
		this.#entries.splice(i, 0, entry)
	}

	/** Does the next thing that is to come by then. @returns whether there was one */
	step(until: number): boolean {
		const next = this.#entries.at(-1)
		if (!next || next.at > until) {
			this.monotonic = Math.max(this.monotonic, until)
			return false
		}
		this.#entries.pop()
		this.monotonic = next.at
		next.work()
		return true
	}
}

const before = (a: Entry, b: Entry) => a.at < b.at || (a.at === b.at && a.order < b.order)
