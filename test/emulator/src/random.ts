import { createHash, randomBytes } from 'node:crypto'

/** Chance as an argument: with a seed, a run draws the same ids and meets the same faults again. */
export interface Random {
	/** In [0, 1). */
	next(): number
	/** `length` lower-case hex characters. */
	hex(length: number): string
	uuid(): string
}

/** Hash of the seed and a counter: no state to get wrong, and good enough for ids that must not collide. */
export function createRandom(seed: number | string = randomBytes(16).toString('hex')): Random {
	let counter = 0
	const block = (): Buffer => createHash('sha256').update(`${seed}:${counter++}`).digest()
	const hex = (length: number): string => {
		// Cut as bytes: a slice of a longer text would keep all of it in memory, for as long as a version id lives.
		if (length % 2 === 0 && length <= 64) return block().toString('hex', 0, length / 2)
		let text = ''
		while (text.length < length) text += block().toString('hex')
		return text.slice(0, length)
	}
	return {
		next: () => block().readUInt32BE(0) / 2 ** 32,
		hex,
		uuid: () => {
			const h = hex(32)
			// Version 4, variant 10xx (RFC 9562).
			return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20)}`
		},
	}
}
