/** Runs a call when its turn comes. */
type Limited = <T>(call: () => Promise<T>) => Promise<T>

/** Runs calls with at most `limit` of them at a time, in the order they came. */
function limiter(limit: number): Limited {
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

/** Runs calls in lanes that do not hold up each other, each with at most `limit` calls at a time. */
export class Lanes {
	readonly #lanes = new Map<string, Limited>()
	readonly #limit: number

	constructor(limit: number) {
		this.#limit = limit
	}

	/** The lanes are those of vaults, which configuration and manifests name: a handful. */
	run<T>(name: string, call: () => Promise<T>): Promise<T> {
		const lane = this.#lanes.get(name) ?? limiter(this.#limit)
		this.#lanes.set(name, lane)
		return lane(call)
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
