/** How many requests may be under way to one vault, when all vaults together have a number of them. */
export interface Shares {
	/** for each vault now */
	readonly each: number
	/** One more vault is asked, or one less. */
	change(by: 1 | -1): void
}

// Each request under way has a connection, which takes 80 KB (agent.ts) and a handshake. The 32 workers (run/operator.ts) need no more than
// two each.
const ALL = 64
// With 50 ms for a call that is the rate of a vault's budget (budget.ts), and one that hangs does not keep all others to one.
const LEAST = 2

export function createShares(all = ALL): Shares {
	let asked = 0
	return {
		get each() {
			return Math.max(LEAST, Math.floor(all / Math.max(asked, 1)))
		},
		change(by) {
			asked += by
		},
	}
}
