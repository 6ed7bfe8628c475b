import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { currentGeneration, isMissing } from '../destinations/mount/atomic-writer.ts'
import type { BindingWatches } from './bindings.ts'
import { BadRequest, type VolumeRequest } from './request.ts'
import type { PodTokens } from './tokens.ts'
import { startVolume, type Volume, type VolumeDeps } from './volume.ts'

export interface VolumesOptions extends Omit<VolumeDeps, 'vaults'> {
	readonly vaults: VolumeDeps['vaults'] & { leave(binding: string): void }
	readonly bindings: BindingWatches
	readonly tokens: PodTokens
	/** on the node's tmpfs; one directory for each volume */
	readonly root: string
}

/** The volumes of this node. */
export interface Volumes {
	/**
	 * Makes a volume, or goes on with one. Of one that its pod has, nothing is ever taken away.
	 * @throws BadRequest, or NotDelivered when the signal aborts before everything is there
	 */
	publish(request: VolumeRequest, signal: AbortSignal): Promise<void>
	/** Leaves nothing of it. One that is not there is well. */
	unpublish(volumeId: string, target: string): Promise<void>
	/** Removes what pods that went away while nobody was here left behind. */
	sweep(): Promise<void>
	/** Ends the work; the files stay. */
	stop(): Promise<void>
	readonly size: number
	readonly waiting: number
}

/** Not everything is there in the time that the kubelet waits. It asks again. */
export class NotDelivered extends Error {
	override readonly name = 'NotDelivered'
}

// A publish call lasts two minutes at most, and the kubelet comes again two minutes later: what no pod has after this time, and
// nobody has asked for, was left behind. Another process of this role may be at it until then.
const ABANDONED_MS = 5 * 60_000
const ABOUT = 'volume.json'
// As the kubelet names ephemeral volumes: nothing else in the directory is ours to remove.
const VOLUME_ID = /^csi-[0-9a-f]{64}$/

export function createVolumes(options: VolumesOptions): Volumes {
	const { root, strategy, bindings, tokens, memory, vaults } = options
	const volumes = new Map<string, Volume>()
	const inTurn = createTurns()

	const open = async (request: VolumeRequest): Promise<Volume> => {
		const { volumeId, target, namespace, binding, pod, podUid } = request
		await mkdir(join(root, volumeId), { recursive: true, mode: 0o700 })
		await writeFile(join(root, volumeId, ABOUT), JSON.stringify({ target, namespace, pod, podUid }), { mode: 0o600 })
		await strategy.prepare(volumeId, target)
		const isThere = (await currentGeneration(strategy.directoryOf(volumeId, target))) !== undefined
		const isDelivered = isThere && (await strategy.isAttached(volumeId, target))
		const volume = startVolume(request, bindings.follow(namespace, binding), isDelivered, options)
		volumes.set(volumeId, volume)
		return volume
	}
	const close = async (volumeId: string, target: string): Promise<void> => {
		const volume = volumes.get(volumeId)
		await volume?.stop()
		volumes.delete(volumeId)
		tokens.delete(volumeId)
		if (volume) {
			const { namespace, binding } = volume.request
			const isUsed = [...volumes.values()].some(
				({ request }) => request.namespace === namespace && request.binding === binding,
			)
			if (!isUsed) vaults.leave(`${namespace}/${binding}`)
		}
		await strategy.detach(volumeId, target)
		await rm(join(root, volumeId), { recursive: true, force: true })
		memory.delete(volumeId)
	}
	return {
		async publish(request, signal) {
			const { volumeId, target } = request
			const volume = await inTurn(volumeId, async () => {
				const known = volumes.get(volumeId)
				if (known && !isSame(known.request, request)) throw new BadRequest('the volume is one of another pod')
				tokens.set(request)
				return known ?? (await open(request))
			})
			await volume.delivered(signal)
			if (!volume.isDelivered) throw new NotDelivered(volume.problem)
			await strategy.attach(volumeId, target)
		},
		unpublish: (volumeId, target) => inTurn(volumeId, () => close(volumeId, target)),
		async sweep() {
			const failures: unknown[] = []
			for (const volumeId of (await readdir(root)).filter((name) => VOLUME_ID.test(name))) {
				const sweeping = inTurn(volumeId, async () => {
					const target = await abandoned(join(root, volumeId), volumes.has(volumeId), (found) =>
						strategy.isAttached(volumeId, found),
					)
					if (target !== undefined) await close(volumeId, target)
				})
				// One that cannot be removed keeps none of the others.
				await sweeping.catch((error: unknown) => failures.push(error))
			}
			if (failures.length > 0) throw failures[0]
		},
		async stop() {
			await Promise.all([...volumes.values()].map((volume) => volume.stop()))
		},
		get size() {
			return volumes.size
		},
		get waiting() {
			return [...volumes.values()].filter(({ isDelivered }) => !isDelivered).length
		},
	}
}

/** Work on one volume is done one after the other: an unpublish that comes while a volume is opened closes what was opened. */
function createTurns(): <T>(volumeId: string, work: () => Promise<T>) => Promise<T> {
	const last = new Map<string, Promise<unknown>>()
	return (volumeId, work) => {
		const next = (last.get(volumeId) ?? Promise.resolve()).then(work)
		const ended = next
			.catch(() => {})
			.finally(() => {
				if (last.get(volumeId) === ended) last.delete(volumeId)
			})
		last.set(volumeId, ended)
		return next
	}
}

const isSame = (a: VolumeRequest, b: VolumeRequest) =>
	a.podUid === b.podUid && a.target === b.target && a.binding === b.binding && a.serviceAccount === b.serviceAccount

/** @returns the target of a volume that no pod has any more; undefined: a pod may have it */
async function abandoned(
	directory: string,
	isFollowed: boolean,
	isAttached: (target: string) => Promise<boolean>,
): Promise<string | undefined> {
	try {
		const age = Date.now() - (await stat(join(directory, ABOUT)).catch(() => stat(directory))).mtimeMs
		if (age < ABANDONED_MS) return undefined
		const about: unknown = JSON.parse(await readFile(join(directory, ABOUT), 'utf8').catch(() => '{}'))
		const target = typeof about === 'object' && about !== null && 'target' in about ? String(about.target) : ''
		// One that waits for its first delivery has no target yet; the kubelet has made the directory above it.
		const isGone = isFollowed ? await isMissingPath(dirname(target)) : !(await isAttached(target))
		return isGone ? target : undefined
	} catch (error) {
		if (isMissing(error)) return undefined
		throw error
	}
}

async function isMissingPath(path: string): Promise<boolean> {
	try {
		await stat(path)
		return false
	} catch (error) {
		return isMissing(error)
	}
}
