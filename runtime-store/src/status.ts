import type { FallbackStatus } from './fallback.ts'
import type { Mount, MountProblem } from './mount/mount.ts'
import type { ManifestMapping, ManifestState } from './mount/snapshot.ts'

/** State of one mounted directory. */
export interface MountStatus {
	readonly path: string
	/** True once it has been read; it stays true when the directory goes away, for the last good secrets stay. */
	readonly loaded: boolean
	/** `plain`: a directory without `..data`, followed file by file. */
	readonly kind: 'generation' | 'plain' | undefined
	/** Its files are mounted one by one with `subPath`: they never change. */
	readonly subPath: boolean
	/** Without a manifest (`ok`) there are no versions, no name mapping and no older versions. */
	readonly manifest: ManifestState | undefined
	/** Why the manifest cannot be used. */
	readonly manifestProblem: string | undefined
	/** What tells where names lead: this manifest, the last one that could be used, file names alone, or nothing (`unknown`). */
	readonly mapping: ManifestMapping | undefined
	readonly generation: string | undefined
	/** Revision of the manifest. */
	readonly revision: number | undefined
	/** Number of secrets. */
	readonly secrets: number
	/** What keeps the directory from being followed at present. */
	readonly problem: MountProblem | undefined
	/** Files that cannot be read, and why: `tooLarge`, `outside` (a link that leaves the mount), `notAFile`, or a system error. */
	readonly faults: Readonly<Record<string, string>>
	/** False while only the poll looks, for want of file events. */
	readonly watching: boolean
	/** Milliseconds since the directory was last seen in order. */
	readonly ageMs: number | undefined
	/** Times it was read as a whole. */
	readonly loads: number
}

/** State of the store. It holds no values, and names only of files that cannot be read. */
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
		subPath: snapshot?.subPath ?? false,
		manifest: snapshot?.manifestState,
		manifestProblem: snapshot?.manifestProblem,
		mapping: snapshot?.mapping,
		generation: snapshot?.kind === 'generation' ? snapshot.id : undefined,
		revision: snapshot?.manifest?.revision,
		secrets: snapshot?.secrets.size ?? 0,
		problem,
		faults: Object.fromEntries(snapshot?.faults ?? []),
		watching,
		ageMs: lastSeen === undefined ? undefined : Math.round(now - lastSeen),
		loads,
	}
}
