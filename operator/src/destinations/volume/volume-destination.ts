import type { Change } from '../../engine/holding.ts'
import type { Destination } from '../../ports/destination.ts'
import { createDirectoryDestination, sizesAfter } from '../mount/directory.ts'
import type { WriterLock } from '../mount/lock.ts'
import { bytesTaken, type NodeMemory } from './memory.ts'

// What the memory of a node is for is the pods': a volume holds what four Secrets may hold, and all of them together less than
// a tenth of what a small node (4 GiB) lets /run have, a tenth of its memory (systemd's default).
export const MAX_VOLUME_BYTES = 4 * 1024 * 1024

export interface VolumeOptions {
	readonly volumeId: string
	/** on the node's tmpfs */
	readonly path: string
	/** the pod's fsGroup; undefined: it has none */
	readonly group: number | undefined
	/** permission bits of files, by the binding; undefined: what the group allows */
	readonly mode: number | undefined
	readonly memory: NodeMemory
	readonly lock: WriterLock
	/** whether the volume is still there and this process the one that writes it; asked while nobody else writes */
	mayWrite(): Promise<boolean>
	readonly clock: { now(): number }
}

/**
 * The memory volume of a pod as a place to deliver to. Without a group everybody in the pod reads it, for nobody tells a
 * driver as which user the pod runs; with one, that group alone.
 */
export function createVolumeDestination(options: VolumeOptions): Destination {
	const { volumeId, path, group, memory, lock, clock } = options
	const file = options.mode ?? (group === undefined ? 0o444 : 0o440)
	const directory = createDirectoryDestination({
		path,
		clock,
		most: MAX_VOLUME_BYTES,
		modes: { directory: group === undefined ? 0o755 : 0o750, file, group },
		limit: (sizes) => whyTooMuch(sizes, options, memory.fits(volumeId, bytesTaken(sizes.values()))),
	})
	const write = async (change: Change, signal: AbortSignal) => {
		// Whoever has taken over knows more than this process, and a volume that is gone must not come back.
		if (!(await options.mayWrite())) return { kind: 'away' as const, error: new TakenOver() }
		const sizes = sizesAfter(change)
		const before = memory.of(volumeId)
		// Until the swap is done both may be needed.
		const refused = whyTooMuch(sizes, options, memory.reserve(volumeId, Math.max(before, bytesTaken(sizes.values()))))
		let after = before
		try {
			if (refused) return refused
			const answer = await directory.write(change, signal)
			if (answer.kind === 'written') after = bytesTaken([...answer.holding.files.values()].map(({ bytes }) => bytes))
			return answer
		} finally {
			memory.set(volumeId, after)
		}
	}
	return { ...directory, write: (change, signal) => memory.inTurn(() => lock.run(() => write(change, signal), signal)) }
}

/** Another process of the node role has taken over, or the pod is gone. */
export class TakenOver extends Error {
	override readonly name = 'TakenOver'
	constructor() {
		super('another process of the node role serves this node now, or the pod is gone')
	}
}

function whyTooMuch(
	sizes: ReadonlyMap<string, number>,
	{ volumeId, memory }: Pick<VolumeOptions, 'volumeId' | 'memory'>,
	fits: boolean,
) {
	const bytes = [...sizes.values()].reduce((sum, each) => sum + each, 0)
	const isTooLarge = bytes > MAX_VOLUME_BYTES
	if (!isTooLarge && fits) return undefined
	const largest = [...sizes]
		.toSorted(([, a], [, b]) => b - a)
		.slice(0, 3)
		.map(([name, size]) => `${name} ${size}`)
	const taken = bytesTaken(sizes.values())
	const isFull = memory.bytes - memory.of(volumeId) + taken > memory.limit
	const message = isTooLarge
		? `The volume would have at least ${bytes} bytes, and ${MAX_VOLUME_BYTES} are the most. Take secrets out of the binding; the largest: ${largest.join(', ')}.`
		: `The volume would take ${taken} bytes of memory, and the volumes of this node take ${memory.bytes} of ${memory.limit}${isFull ? '' : `, of which other volumes of this namespace have ${memory.besides(volumeId)}: they get no more than they leave to other namespaces`}. Give the node role more by --node-memory, or move pods to another node.`
	// Other volumes of the node go.
	return { kind: 'refused', reason: 'SecretTooLarge', message, lasting: isTooLarge } as const
}
