import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { currentGeneration, finishGeneration } from '../destinations/mount/atomic-writer.ts'
import { createOneByOne } from '../process/one-by-one.ts'
import { abandoned, bytesIn, isThere, readAbout, writeAbout } from './about.ts'
import type { BindingWatches } from './binding-watches.ts'
import type { VolumeNews, VolumePod } from './news.ts'
import { BadRequest, type VolumeRequest } from './request.ts'
import type { PodTokens } from './tokens.ts'
import { startVolume, type Volume, type VolumeDeps } from './volume.ts'

export interface VolumesOptions extends Omit<VolumeDeps, 'vaults' | 'isThere'> {
	readonly vaults: VolumeDeps['vaults'] & { leave(binding: string): void }
	readonly bindings: BindingWatches
	readonly tokens: PodTokens
	/** on the node's tmpfs; one directory for each volume */
	readonly root: string
	/** how many there may be; default: a thousand */
	readonly mostVolumes?: number | undefined
}

/** The volumes of this node. */
export interface Volumes {
	/**
	 * Makes a volume, or goes on with one. Of one that its pod has, nothing is ever taken away.
	 * @throws BadRequest, or NotDelivered when the signal aborts before everything is there
	 */
	publish(request: VolumeRequest, signal: AbortSignal): Promise<void>
	/**
	 * Whether a pod runs with this volume: a call for it that cannot be served must not fail, whatever is wrong with it.
	 * @param problem is told, once
	 */
	keeps(volumeId: string, target: string, problem: string): Promise<boolean>
	/** Leaves nothing of it. One that is not there is well. @throws BadRequest when it was published elsewhere */
	unpublish(volumeId: string, target: string): Promise<void>
	/** Counts the volumes of an earlier process, and the memory that they have. Before the first call. */
	count(): Promise<void>
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

// Each takes 20 KiB of this process, and 160 while a call of a kubelet waits for it: of a pod on kind with 1,500 volumes of a binding that does not
// exist 512 waited, and took 82 MiB. These take 160 of the 384 MiB of deploy/kustomize/node. A node has 250 pods at most, on AKS.
const MAX_VOLUMES = 1024
// As the kubelet names ephemeral volumes: nothing else in the directory is ours to remove.
const VOLUME_ID = /^csi-[0-9a-f]{64}$/

export function createVolumes(options: VolumesOptions): Volumes {
	const { root, strategy, bindings, tokens, memory, vaults, lock, mostVolumes = MAX_VOLUMES } = options
	const volumes = new Map<string, Volume>()
	/** namespaces of all that are there or being opened, those of an earlier process among them */
	const owners = new Map<string, string>()
	/** by volume, what is wrong with the calls of the kubelet for it */
	const kept = new Map<string, string>()
	// By volume: an unpublish that comes while a volume is opened closes what was opened.
	const oneByOne = createOneByOne()
	const folderOf = (volumeId: string) => join(root, volumeId)
	const deps: VolumeDeps = {
		...options,
		isThere: async (volumeId) => (await readAbout(folderOf(volumeId))) !== undefined,
	}

	/** @returns whether an earlier process has delivered it */
	const prepare = async (request: VolumeRequest): Promise<boolean> => {
		const { volumeId, target, namespace } = request
		await mkdir(folderOf(volumeId), { recursive: true, mode: 0o700 })
		await writeAbout(folderOf(volumeId), request)
		await strategy.prepare(volumeId, target)
		const data = strategy.directoryOf(volumeId, target)
		await finishGeneration(data)
		memory.own(volumeId, namespace)
		memory.set(volumeId, await bytesIn(data))
		return currentGeneration(data) !== undefined && (await strategy.isAttached(volumeId, target))
	}
	const open = async (request: VolumeRequest): Promise<Volume> => {
		const { volumeId, namespace, binding } = request
		const isNew = !owners.has(volumeId)
		// Before anything is waited for: of calls that come together each counts for the next.
		owners.set(volumeId, namespace)
		const followed = bindings.follow(namespace, binding)
		const isDelivered = await lock
			.run(() => prepare(request))
			.catch((error: unknown) => {
				followed.release()
				if (isNew) owners.delete(volumeId)
				tokens.delete(volumeId)
				throw error
			})
		const volume = startVolume(request, followed, isDelivered, deps)
		volumes.set(volumeId, volume)
		return volume
	}
	const end = async (volumeId: string): Promise<void> => {
		const volume = volumes.get(volumeId)
		await volume?.stop()
		volumes.delete(volumeId)
		owners.delete(volumeId)
		kept.delete(volumeId)
		tokens.delete(volumeId)
		memory.delete(volumeId)
		if (!volume) return
		const { namespace, binding } = volume.request
		const isUsed = [...volumes.values()].some(
			({ request }) => request.namespace === namespace && request.binding === binding,
		)
		if (!isUsed) vaults.leave(`${namespace}/${binding}`)
	}
	const close = async (volumeId: string, target: string): Promise<void> => {
		await end(volumeId)
		await lock.run(async () => {
			await strategy.detach(volumeId, target)
			await rm(folderOf(volumeId), { recursive: true, force: true })
		})
	}
	/** A volume that another process, which served the node meanwhile, has removed. */
	const endGone = (volumeId: string) =>
		oneByOne(volumeId, async () => {
			if (!(await isThere(folderOf(volumeId)))) await end(volumeId)
		})
	const sweepOne = (volumeId: string) =>
		oneByOne(volumeId, async () => {
			const isAttached = (target: string) => strategy.isAttached(volumeId, target)
			const target = await abandoned(folderOf(volumeId), volumes.has(volumeId), isAttached)
			if (target !== undefined) await close(volumeId, target)
		})
	const tellRefused = (pod: VolumePod, volumeId: string, news: Extract<VolumeNews, { message: string }>) => {
		// What differs in numbers alone is no news.
		const text = news.message.replaceAll(/\d+/g, '#')
		if (kept.get(volumeId) !== text) options.onNews(pod, news)
		kept.set(volumeId, text)
	}
	const keeps = async (volumeId: string, target: string, problem: string): Promise<boolean> => {
		const known = volumes.get(volumeId)
		const about = known?.request ?? (await readAbout(folderOf(volumeId)))
		if (about?.target !== target || !(await strategy.isAttached(volumeId, target))) return false
		tellRefused(about, volumeId, { kind: 'stale', reason: 'PublishRefused', message: `${problem}.` })
		return true
	}
	const whyNot = ({ volumeId, namespace, binding }: VolumeRequest): Refused | undefined => {
		const problem = bindings.whyNot(namespace, binding)
		if (problem !== undefined) return { reason: 'TooManyBindings', problem }
		// It was let in by an earlier process, and whoever calls first after a restart does not take its place.
		if (owners.has(volumeId)) return undefined
		const own = [...owners.values()].filter((each) => each === namespace).length
		// One that has many gets another while more are free than it has, so every other one finds some.
		if (own < mostVolumes - owners.size) return undefined
		return {
			reason: 'TooManyVolumes',
			problem: `this node has ${own} volumes of the namespace ${namespace}, of ${owners.size} in all, and no more of it: mount a binding once in a pod, or let fewer pods run on one node`,
		}
	}
	/** A pod that runs goes on with what it has. @throws NotDelivered for one that starts */
	const refuse = async (request: VolumeRequest, { reason, problem }: Refused): Promise<undefined> => {
		const { volumeId, target } = request
		if (await keeps(volumeId, target, problem)) return undefined
		tellRefused(request, volumeId, { kind: 'waits', reason, message: `${problem}.` })
		throw new NotDelivered(problem)
	}
	return {
		async publish(request, signal) {
			const { volumeId, target } = request
			const volume = await oneByOne(volumeId, async () => {
				const known = volumes.get(volumeId)
				if (known && !isSame(known.request, request)) throw new BadRequest('the volume is one of another pod')
				const refused = known ? undefined : whyNot(request)
				if (refused) return refuse(request, refused)
				kept.delete(volumeId)
				tokens.set(request)
				return known ?? (await open(request))
			})
			if (!volume) return
			await volume.untilDelivered(signal)
			if (!volume.isDelivered) throw new NotDelivered(volume.problem)
			// An unpublish that came meanwhile has removed what the target would lead to.
			await oneByOne(volumeId, async () => {
				if (volumes.get(volumeId) !== volume) throw new NotDelivered('the volume was unpublished')
				await strategy.attach(volumeId, target)
			})
		},
		keeps,
		unpublish: (volumeId, target) =>
			oneByOne(volumeId, async () => {
				const published = volumes.get(volumeId)?.request.target ?? (await readAbout(folderOf(volumeId)))?.target
				if (published !== undefined && published !== target)
					throw new BadRequest('target_path is not the one at which this volume was published')
				await close(volumeId, target)
			}),
		async count() {
			const there = (await readdir(root)).filter((name) => VOLUME_ID.test(name))
			// The lock costs memory that a node without volumes need not have.
			if (there.length === 0) return
			await lock.run(async () => {
				for (const volumeId of there) {
					const { target = '', namespace = '' } = (await readAbout(folderOf(volumeId))) ?? {}
					owners.set(volumeId, namespace)
					memory.own(volumeId, namespace)
					memory.set(volumeId, await bytesIn(strategy.directoryOf(volumeId, target)))
				}
			})
		},
		async sweep() {
			const there = (await readdir(root)).filter((name) => VOLUME_ID.test(name))
			// One that cannot be removed keeps none of the others.
			const results = await Promise.allSettled([...there.map(sweepOne), ...[...owners.keys()].map(endGone)])
			const failed = results.find((result) => result.status === 'rejected')
			if (failed) throw failed.reason
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

/** Why one more volume is none, for people. */
interface Refused {
	readonly reason: 'TooManyBindings' | 'TooManyVolumes'
	readonly problem: string
}

const isSame = (a: VolumeRequest, b: VolumeRequest) =>
	a.podUid === b.podUid &&
	a.target === b.target &&
	a.namespace === b.namespace &&
	a.binding === b.binding &&
	a.serviceAccount === b.serviceAccount
