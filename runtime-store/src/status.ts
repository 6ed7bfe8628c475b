import type { FallbackStatus } from './fallback.ts'
import type { Mount, MountProblem } from './mount/mount.ts'
import type { ManifestState } from './mount/snapshot.ts'

/** State of one mounted directory. */
export interface MountStatus {
	readonly path: string
	/** True once it has been read; it stays true when the directory goes away, for the last good secrets stay. */
	readonly loaded: boolean
	/** `plain`: a directory without `..data`, followed file by file. */
	readonly kind: 'generation' | 'plain' | undefined
	/** Without a manifest (`ok`) there are no versions, no name mapping and no older versions. */
	readonly manifest: ManifestState | undefined
	readonly generation: string | undefined
	/** Revision of the manifest. */
	readonly revision: number | undefined
	/** Number of secrets. */
	readonly secrets: number
	/** What keeps the directory from being followed at present. */
	readonly problem: MountProblem | undefined
	/** False while only the poll looks, for want of file events. */
	readonly watching: boolean
	/** Milliseconds since the directory was last seen in order. */
	readonly ageMs: number | undefined
	/** Times it was read as a whole. */
	readonly loads: number
}

/** State of the store. It holds no names of secrets and no values. */
export interface StoreStatus {
	/** All mounts have been read. */
	readonly ready: boolean
	readonly destroyed: boolean
	readonly mounts: readonly MountStatus[]
	/** Writes and removals of this process that the mounts do not show yet. */
	readonly pendingWrites: number
	/** Reads beyond the mounts. */
	readonly fallback: FallbackStatus
}

/** @param now monotonic milliseconds */
export function statusOf(mount: Mount, now: number): MountStatus {
	const { path, snapshot, problem, watching, lastSeen, loads } = mount
	return {
		path,
		loaded: snapshot !== undefined,
		kind: snapshot?.kind,
		manifest: snapshot?.manifestState,
		generation: snapshot?.kind === 'generation' ? snapshot.id : undefined,
		revision: snapshot?.manifest?.revision,
		secrets: snapshot?.secrets.size ?? 0,
		problem,
		watching,
		ageMs: lastSeen === undefined ? undefined : Math.round(now - lastSeen),
		loads,
	}
}
