/** Keys in ascending order, with paging by "after this key": deletions between two pages neither skip nor repeat. */
export class SortedKeys {
	readonly #keys: string[] = []

	add(key: string): void {
		const at = this.#lowerBound(key)
		if (this.#keys[at] !== key) this.#keys.splice(at, 0, key)
	}

	remove(key: string): void {
		const at = this.#lowerBound(key)
		if (this.#keys[at] === key) this.#keys.splice(at, 1)
	}

	/** Keys greater than `after`, ascending. */
	*after(after: string | undefined): Generator<string> {
		let at = after === undefined ? 0 : this.#lowerBound(after)
		if (after !== undefined && this.#keys[at] === after) at += 1
		for (; at < this.#keys.length; at += 1) yield this.#keys[at] as string
	}

	/** Index of the first key that is not less than `key`. */
	#lowerBound(key: string): number {
		let low = 0
		let high = this.#keys.length
		while (low < high) {
			const middle = (low + high) >>> 1
			if ((this.#keys[middle] as string) < key) low = middle + 1
			else high = middle
		}
		return low
	}
}
