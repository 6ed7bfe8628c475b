import type { Verdict } from '../../engine/destination.ts'
import type { Destination } from '../../ports/destination.ts'
import { createDirectoryDestination } from '../mount/directory.ts'

// What the memory of a node is for is the pods': a volume holds what four Secrets may hold, and all of them together less than
// a tenth of what a small node (4 GiB) lets /run have, a tenth of its memory (systemd's default).
export const MAX_VOLUME_BYTES = 4 * 1024 * 1024

/** Memory that the volumes of this node take together. */
export interface NodeMemory {
	/** Whether the volume may have so many bytes, beside all others. */
	fits(volumeId: string, bytes: number): boolean
	set(volumeId: string, bytes: number): void
	delete(volumeId: string): void
	readonly bytes: number
	readonly limit: number
}

export function createNodeMemory(limit: number): NodeMemory {
	const volumes = new Map<string, number>()
	const sum = () => [...volumes.values()].reduce((all, each) => all + each, 0)
	return {
		fits: (volumeId, bytes) => sum() - (volumes.get(volumeId) ?? 0) + bytes <= limit,
		set: (volumeId, bytes) => void volumes.set(volumeId, bytes),
		delete: (volumeId) => void volumes.delete(volumeId),
		get bytes() {
			return sum()
		},
		limit,
	}
}

export interface VolumeOptions {
	readonly volumeId: string
	/** on the node's tmpfs */
	readonly path: string
	/** the pod's fsGroup; undefined: it has none */
	readonly group: number | undefined
	/** permission bits of files, by the binding; undefined: what the group allows */
	readonly mode: number | undefined
	readonly memory: NodeMemory
	readonly clock: { now(): number }
}

/**
 * The memory volume of a pod as a place to deliver to. Without a group everybody in the pod reads it, for nobody tells a
 * driver as which user the pod runs; with one, that group alone.
 */
export function createVolumeDestination(options: VolumeOptions): Destination {
	const { volumeId, path, group, memory, clock } = options
	const file = options.mode ?? (group === undefined ? 0o444 : 0o440)
	const directory = createDirectoryDestination({
		path,
		clock,
		modes: { directory: group === undefined ? 0o755 : 0o750, file, group },
		limit: (sizes) => whyTooMuch(sizes, volumeId, memory),
	})
	return {
		...directory,
		async write(change, signal) {
			const answer = await directory.write(change, signal)
			if (answer.kind === 'written')
				memory.set(
					volumeId,
					[...answer.holding.files.values()].reduce((sum, { bytes }) => sum + bytes, 0),
				)
			return answer
		},
	}
}

function whyTooMuch(
	sizes: ReadonlyMap<string, number>,
	volumeId: string,
	memory: NodeMemory,
): Extract<Verdict, { kind: 'refused' }> | undefined {
	const bytes = [...sizes.values()].reduce((sum, each) => sum + each, 0)
	const isTooLarge = bytes > MAX_VOLUME_BYTES
	if (!isTooLarge && memory.fits(volumeId, bytes)) return undefined
	const largest = [...sizes]
		.toSorted(([, a], [, b]) => b - a)
		.slice(0, 3)
		.map(([name, size]) => `${name} ${size}`)
	const message = isTooLarge
		? `The volume would have ${bytes} bytes, and ${MAX_VOLUME_BYTES} are the most. Take secrets out of the binding; the largest: ${largest.join(', ')}.`
		: `The volume would have ${bytes} bytes, and the volumes of this node ${memory.bytes} of ${memory.limit}. Give the node role more by --node-memory, or move pods to another node.`
	return { kind: 'refused', reason: 'SecretTooLarge', message }
}
