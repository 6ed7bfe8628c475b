/**
 * Finds any of many strings in a long text, in one walk over the text: with thousands of canaries' shapes and an audit log of
 * hundreds of megabytes a walk for each string takes minutes.
 *
 * 1. Only the first `window` characters of each string count at first: as many as the shortest has.
 * 2. The table says of each block of three characters how far it lies from the end of a window at least: so far the
 *    window may go on without missing a string. A block that no string has lets it go on by nearly the whole window.
 * 3. Where the block ends the window of some strings, these are compared in full.
 *
 * (The algorithm of Wu and Manber, 1994.)
 */

/** Three characters: pairs are too common in logs, and four make the steps shorter. */
const BLOCK = 3
/** Of each character the lower seven bits: ASCII has no more, and what falls together is only compared once more. */
const BITS = 7

export interface Hit {
	/** which of the strings, by its place */
	readonly index: number
	/** where the text has it first */
	readonly offset: number
}

export function createFinder(needles: readonly string[]): (text: string) => Hit[] {
	const window = Math.min(...needles.map(({ length }) => length))
	if (needles.length > 0 && window < BLOCK) throw new Error(`a string to find has at least ${BLOCK} characters`)
	const last = window - BLOCK
	const steps = new Uint8Array(1 << (BITS * BLOCK)).fill(Math.min(last + 1, 255))
	const ending = new Map<number, number[]>()
	for (const [index, needle] of needles.entries()) {
		for (let at = 0; at <= last; at++) {
			const block = blockAt(needle, at)
			steps[block] = Math.min(steps[block] as number, last - at)
		}
		const end = blockAt(needle, last)
		ending.set(end, [...(ending.get(end) ?? []), index])
	}
	return (text) => {
		const found = new Map<number, number>()
		if (needles.length === 0) return []
		for (let at = 0; at + window <= text.length; ) {
			const block = blockAt(text, at + last)
			const step = steps[block] as number
			if (step > 0) {
				at += step
				continue
			}
			for (const index of ending.get(block) ?? []) {
				if (!found.has(index) && text.startsWith(needles[index] as string, at)) found.set(index, at)
			}
			at += 1
		}
		return [...found].map(([index, offset]) => ({ index, offset })).sort((a, b) => a.index - b.index)
	}
}

function blockAt(text: string, at: number): number {
	const mask = (1 << BITS) - 1
	return (
		((text.charCodeAt(at) & mask) << (BITS * 2)) |
		((text.charCodeAt(at + 1) & mask) << BITS) |
		(text.charCodeAt(at + 2) & mask)
	)
}
