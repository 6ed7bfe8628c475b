/** Runs a call when its turn comes. */
export type Limited = <T>(call: () => Promise<T>) => Promise<T>

/** Runs calls with at most `limit` of them at a time, in the order they came. */
export function limiter(limit: number): Limited {
	let running = 0
	const waiting: Array<() => void> = []
	return async (call) => {
		if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
		else running += 1
		try {
			return await call()
		} finally {
			// The place is handed over, so that nobody who comes now can take it first.
			const next = waiting.shift()
			if (next === undefined) running -= 1
			else next()
		}
	}
}

/** Runs calls of the same key one after the other, in the order they came. */
export class Serial {
	readonly #tails = new Map<string, Promise<unknown>>()

	async run<T>(key: string, work: () => Promise<T>): Promise<T> {
		const before = this.#tails.get(key) ?? Promise.resolve()
		const call = before.then(work, work)
		this.#tails.set(key, call)
		try {
			return await call
		} finally {
			if (this.#tails.get(key) === call) this.#tails.delete(key)
		}
	}
}
