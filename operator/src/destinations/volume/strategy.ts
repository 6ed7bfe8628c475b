import { lstat, mkdir, readlink, rm, rmdir, statfs, symlink, unlink } from 'node:fs/promises'
import { isMissing } from '../mount/atomic-writer.ts'

/**
 * How the files get from the node's memory to where the kubelet expects them. The one that mounts would need a privileged container, mounts
 * that reach the node, and a program that mounts in the image: it is not there.
 */
export interface MountStrategy {
	/** Why this node cannot be served in this way; undefined when it can. Asked once, at start. */
	problem(): Promise<string | undefined>
	/** Where the files of a volume are written. */
	directoryOf(volumeId: string, target: string): string
	/** Before anything is written. Again is well. */
	prepare(volumeId: string, target: string): Promise<void>
	/** Once everything is there. Again is well; what was there for the same volume stays. */
	attach(volumeId: string, target: string): Promise<void>
	/** Whether a pod may still have it. */
	isAttached(volumeId: string, target: string): Promise<boolean>
	/** Removes the target, if it is that of this volume. Again is well; what else lies there stays. */
	detach(volumeId: string, target: string): Promise<void>
}

// linux/magic.h
const TMPFS_MAGIC = 0x01021994

const onTmpfs = async (path: string) => (await statfs(path)).type === TMPFS_MAGIC

/**
 * The target is a link onto the node's own tmpfs, which the container runtime follows. It takes no privilege and no mount, and
 * outlives this process; pods see a mount of their own, read-only.
 *
 * @param root a directory of the node, mounted here under the same path
 */
export function createSymlinkStrategy(root: string): MountStrategy {
	const directoryOf = (volumeId: string) => `${root}/${volumeId}/data`
	return {
		async problem() {
			await mkdir(root, { recursive: true, mode: 0o700 })
			if (await onTmpfs(root)) return undefined
			return `${root} is no tmpfs: secrets would lie on the node's disk. Write --memory-root with a directory that is one, as /run is under systemd.`
		},
		directoryOf,
		async prepare() {},
		async attach(volumeId, target) {
			const wanted = directoryOf(volumeId)
			const linked = await linkOf(target)
			if (linked === wanted) return
			// Of a process with another --memory-root.
			if (linked?.endsWith(`/${volumeId}/data`)) await unlink(target)
			await removeEmpty(target)
			await symlink(wanted, target)
		},
		isAttached: async (volumeId, target) => (await linkOf(target)) === directoryOf(volumeId),
		async detach(volumeId, target) {
			if ((await linkOf(target)) === directoryOf(volumeId)) await rm(target, { force: true })
			await removeEmpty(target)
		},
	}
}

async function linkOf(path: string): Promise<string | undefined> {
	try {
		return await readlink(path)
	} catch {
		return undefined
	}
}

/** A directory that the kubelet made. What is in one, a file and a link were made by somebody else. */
async function removeEmpty(target: string): Promise<void> {
	try {
		if ((await lstat(target)).isDirectory()) await rmdir(target)
	} catch (error) {
		if (!isMissing(error) && !isCode(error, 'ENOTEMPTY')) throw error
	}
}

const isCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code
