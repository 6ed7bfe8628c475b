/** How many requests may be under way to one vault, when all vaults together have a number of them. */
export interface Shares {
	/** for each vault now */
	readonly each: number
	/** Whether the vault is asked, from now on. */
	asks(vault: symbol, isAsked: boolean): void
}

// Each request under way has a connection, which takes 80 KB (agent.ts) and a handshake. The 32 workers (run/operator.ts) need no more than
// two each.
const ALL = 64
// With 50 ms for a call that is the rate of a vault's budget (budget.ts), and one that hangs does not keep all others to one.
const LEAST = 2
// At a start 32 workers are somewhere in the middle of their passes, and most of them do not ask a vault at this moment. Shared by those that
// do, a vault would get more connections than it keeps: one of its next reads makes them anew, and a handshake costs both sides more than
// the read. A start goes around fifty namespaces in less time than this.
const RECENT_MS = 2_000

/** @param now monotonic milliseconds */
export function createShares(now: () => number, all = ALL): Shares {
	const asked = new Set<symbol>()
	/** not asked any more, and since when; the longest first */
	const before = new Map<symbol, number>()
	return {
		get each() {
			const at = now()
			for (const [vault, since] of before) {
				if (at - since < RECENT_MS) break
				before.delete(vault)
			}
			return Math.max(LEAST, Math.floor(all / Math.max(asked.size + before.size, 1)))
		},
		asks(vault, isAsked) {
			before.delete(vault)
			if (isAsked) asked.add(vault)
			else if (asked.delete(vault)) before.set(vault, now())
		},
	}
}
