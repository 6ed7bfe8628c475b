import { countIn } from './counts.ts'
import { createTurns } from './turns.ts'

/** A key that is worked on, as far as it counts among those without a worker. */
export interface Releasable {
	readonly place: { readonly group: string }
	/** as what it counts among those that gave their worker back; undefined: it has one, or has ended */
	released: 'light' | 'heavy' | undefined
}

// Keys that gave their worker back hold what they have read so far, at most a Secret of 1 MiB each. When there are so many for each
// worker, only groups that have none begin with another.
const MAX_RELEASED = 4
// Those that have read nothing hold their plan: some 20 kB for a usual binding. With 32 workers a thousand, a namespace each: 20 MB.
const MAX_RELEASED_LIGHT = 32
/** The keys that are worked on without a worker. */
export interface ReleasedKeys {
	readonly size: number
	/** Whether there is room for one more. */
	hasRoom(isLight: boolean): boolean
	/** Counts it as that from now on. */
	count(key: Releasable, as: Releasable['released']): void
	/**
	 * Counts one that was light as heavy. When there are too many, and its group has one already, it waits in turns of groups: a thousand
	 * that waited for their vaults with nothing may be answered at one moment.
	 */
	growHeavy(key: Releasable): Promise<void>
	/** Nobody waits any more. */
	end(): void
}

export function createReleasedKeys(workers: number): ReleasedKeys {
	const waiting = createTurns<() => void>()
	const heavyOf = new Map<string, number>()
	let size = 0
	let heavy = 0
	let isOver = false
	const mayGrow = (group: string) => isOver || heavy < MAX_RELEASED * workers || !heavyOf.has(group)
	const count = (key: Releasable, as: Releasable['released']) => {
		const { group } = key.place
		const change = (as ? 1 : 0) - (key.released ? 1 : 0)
		const heavier = (as === 'heavy' ? 1 : 0) - (key.released === 'heavy' ? 1 : 0)
		size += change
		heavy += heavier
		countIn(heavyOf, group, heavier)
		key.released = as
		if (heavier < 0) pump()
	}
	const pump = () => {
		const next = () => waiting.shift(({ group }) => mayGrow(group))
		for (let go = next(); go; go = next()) go()
	}
	return {
		get size() {
			return size
		},
		hasRoom: (isLight) => size < MAX_RELEASED_LIGHT * workers && (isLight || heavy < MAX_RELEASED * workers),
		count,
		growHeavy: (key) =>
			new Promise((resolve) => {
				const go = () => {
					// Its work may have ended meanwhile.
					if (key.released === 'light') count(key, 'heavy')
					resolve()
				}
				waiting.add({ group: key.place.group, subgroup: '', first: false }, go)
				pump()
			}),
		end() {
			isOver = true
			pump()
		},
	}
}
