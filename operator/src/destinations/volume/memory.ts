/** Memory that the volumes of this node take together, and what is kept of them for pods that start without a vault. */
export interface NodeMemory {
	/** Whether the volume may have so many bytes, beside all others. What is kept yields. */
	fits(volumeId: string, bytes: number): boolean
	/** Takes the place before anything is written: of two volumes that grow together one may be too many. @returns false: it does not fit */
	reserve(volumeId: string, bytes: number): boolean
	/** what the volume has now */
	set(volumeId: string, bytes: number): void
	of(volumeId: string): number
	delete(volumeId: string): void
	/** of volumes */
	readonly bytes: number
	readonly limit: number
	/** what volumes leave for others */
	readonly left: number
	/** Called when volumes have taken more. */
	onLess(yieldTo: (left: number) => void): void
}

export function createNodeMemory(limit: number): NodeMemory {
	const volumes = new Map<string, number>()
	let sum = 0
	let less: (left: number) => void = () => {}
	const of = (volumeId: string) => volumes.get(volumeId) ?? 0
	const set = (volumeId: string, bytes: number) => {
		const isMore = bytes > of(volumeId)
		sum += bytes - of(volumeId)
		volumes.set(volumeId, bytes)
		if (isMore) less(Math.max(limit - sum, 0))
	}
	const fits = (volumeId: string, bytes: number) => bytes <= of(volumeId) || sum - of(volumeId) + bytes <= limit
	return {
		fits,
		reserve(volumeId, bytes) {
			if (!fits(volumeId, bytes)) return false
			set(volumeId, bytes)
			return true
		},
		set,
		of,
		delete(volumeId) {
			sum -= of(volumeId)
			volumes.delete(volumeId)
		},
		get bytes() {
			return sum
		},
		limit,
		get left() {
			return Math.max(limit - sum, 0)
		},
		onLess(yieldTo) {
			less = yieldTo
		},
	}
}
