import { createOneByOne } from '../../process/one-by-one.ts'

/** Memory that the volumes of this node take together (`bytesTaken`), and what is kept of them for pods that start without a vault. */
export interface NodeMemory {
	/** Whose volume it is, from its first byte to `delete`. */
	own(volumeId: string, namespace: string): void
	/**
	 * Whether the volume may have so many bytes, beside all others: what it has it may keep. The volumes of one namespace have no more together
	 * than they leave to others; one alone may have all of it. What is kept for pods that start offline yields.
	 */
	fits(volumeId: string, bytes: number): boolean
	/** Takes the place before anything is written: of two volumes that grow together one may be too many. @returns false: it does not fit */
	reserve(volumeId: string, bytes: number): boolean
	/** what the volume has now */
	set(volumeId: string, bytes: number): void
	of(volumeId: string): number
	/** what the other volumes of its namespace have */
	besides(volumeId: string): number
	delete(volumeId: string): void
	/** of volumes */
	readonly bytes: number
	readonly limit: number
	/** what volumes leave for others */
	readonly left: number
	/**
	 * Writes one volume after the other. Until the swap is done both generations of it are there, and of sixteen volumes that rotate in one
	 * moment they would be twice what all of them may have.
	 */
	inTurn<T>(write: () => Promise<T>): Promise<T>
	/** Called when volumes have taken more. */
	onLess(yieldTo: (left: number) => void): void
}

// A tmpfs gives a file whole pages. Beside them the kernel keeps an inode and a name of each file and of the link to it: 1.9 KiB, measured in
// a control group with 96,000 of them.
const PAGE_BYTES = 4096
const NAMES_BYTES = 2048

/** What files of these sizes take of the memory of a node. Of 480 values of some bytes it is three hundred times what is in them. */
export function bytesTaken(sizes: Iterable<number>): number {
	let sum = 0
	for (const bytes of sizes) sum += Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES + NAMES_BYTES
	return sum
}

export function createNodeMemory(limit: number): NodeMemory {
	const volumes = new Map<string, number>()
	const owners = new Map<string, string>()
	let sum = 0
	let less: (left: number) => void = () => {}
	const oneByOne = createOneByOne()
	const of = (volumeId: string) => volumes.get(volumeId) ?? 0
	const set = (volumeId: string, bytes: number) => {
		const isMore = bytes > of(volumeId)
		sum += bytes - of(volumeId)
		volumes.set(volumeId, bytes)
		if (isMore) less(Math.max(limit - sum, 0))
	}
	const besides = (volumeId: string) => {
		const owner = owners.get(volumeId)
		let bytes = 0
		if (owner !== undefined)
			for (const [other, each] of volumes) if (other !== volumeId && owners.get(other) === owner) bytes += each
		return bytes
	}
	const fits = (volumeId: string, bytes: number) => {
		if (bytes <= of(volumeId)) return true
		const after = limit - (sum - of(volumeId) + bytes)
		const others = besides(volumeId)
		// One pod may mount its volumes as often as it likes, and others have to start on this node too.
		return after >= 0 && (others === 0 || others + bytes <= after)
	}
	return {
		own: (volumeId, namespace) => void owners.set(volumeId, namespace),
		fits,
		besides,
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
			owners.delete(volumeId)
		},
		get bytes() {
			return sum
		},
		limit,
		get left() {
			return Math.max(limit - sum, 0)
		},
		inTurn: (write) => oneByOne('', write),
		onLess(yieldTo) {
			less = yieldTo
		},
	}
}
