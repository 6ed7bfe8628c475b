import { execFile } from 'node:child_process'
import { lstat, mkdir, readFile, readlink, rm, rmdir, statfs, symlink, unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { isMissing } from '../mount/atomic-writer.ts'

/** How the files get from the node's memory to where the kubelet expects them. */
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
			return `${root} is no tmpfs: secrets would lie on the node's disk. Write --memory-root with a directory that is one, or use --mount tmpfs.`
		},
		directoryOf,
		async prepare() {},
		async attach(volumeId, target) {
			const wanted = directoryOf(volumeId)
			const found = await linkOf(target)
			if (found === wanted) return
			// Of a process with another --memory-root.
			if (found?.endsWith(`/${volumeId}/data`)) await unlink(target)
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

const run = promisify(execFile)
// A mount takes milliseconds; one that takes longer waits for something that will not come.
const MOUNT_MS = 10_000
// Twice what a volume may hold: while a generation is replaced both are there.
const TMPFS_OPTIONS = 'nosuid,nodev,noexec,mode=0755,size=9m'

/** A tmpfs of its own, mounted on the target. Takes a privileged container whose mounts reach the node. */
export function createTmpfsStrategy(root: string): MountStrategy {
	const isMounted = async (target: string) => (await readFile('/proc/self/mountinfo', 'utf8')).includes(` ${target} `)
	return {
		async problem() {
			await mkdir(root, { recursive: true, mode: 0o700 })
			try {
				await run('mount', ['--version'], { timeout: MOUNT_MS })
			} catch {
				return 'There is no program `mount` in this image. Use --mount symlink, or an image that has one.'
			}
			return undefined
		},
		directoryOf: (_, target) => target,
		async prepare(_, target) {
			if (await isMounted(target)) return
			if ((await linkOf(target)) !== undefined) await unlink(target)
			await mkdir(target, { recursive: true, mode: 0o755 })
			await run('mount', ['-t', 'tmpfs', '-o', TMPFS_OPTIONS, 'tmpfs', target], { timeout: MOUNT_MS })
		},
		async attach() {},
		isAttached: (_, target) => isMounted(target),
		async detach(_, target) {
			if (await isMounted(target)) await run('umount', [target], { timeout: MOUNT_MS })
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
