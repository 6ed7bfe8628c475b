import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Why a file cannot be read: `tooLarge` (over {@link MAX_FILE_BYTES}), `outside` (a link that leaves the mount), `notAFile`, or the code of
 * the system error, such as ENOENT for a link to nowhere, ELOOP, EACCES.
 */
export type FileFault = string

/**
 * The largest file that is read, the manifest included. A value of Key Vault has at most 25 KiB and a Kubernetes Secret 1 MiB; what is far
 * larger was mounted by mistake. A manifest of this size has about 16,000 entries.
 */
export const MAX_FILE_BYTES: number = 4 * 1_048_576

// Keeps a directory of many thousand files from opening them all at once, and lets the event loop turn between; libuv works on four at a time.
const OPEN_FILES = 32

export const codeOf = (error: unknown): string | undefined =>
	error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

/** Runs `work` for each item, a bounded number at a time, and keeps the order. */
export async function eachBounded<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
	const results: R[] = []
	for (let i = 0; i < items.length; i += OPEN_FILES) {
		results.push(...(await Promise.all(items.slice(i, i + OPEN_FILES).map(work))))
	}
	return results
}

async function contentOf(handle: FileHandle): Promise<Buffer | FileFault> {
	const stats = await handle.stat()
	if (!stats.isFile()) return 'notAFile'
	return stats.size > MAX_FILE_BYTES ? 'tooLarge' : handle.readFile()
}

/** Reads a file; a string says why it cannot be. @throws ENOENT, which means that the directory was swapped, or the link is to nowhere */
export async function readOne(path: string): Promise<Buffer | FileFault> {
	let handle: FileHandle
	try {
		// Not blocking: a pipe under the name of a secret must not hold the read for ever.
		handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
	} catch (error) {
		const code = codeOf(error)
		if (code === undefined || code === 'ENOENT' || code === 'EMFILE' || code === 'ENFILE') throw error
		return code
	}
	try {
		return await contentOf(handle)
	} finally {
		await handle.close()
	}
}

/** Reads files of one directory. @throws ENOENT when one is gone */
export async function filesOf(
	directory: string,
	names: readonly string[],
): Promise<{ files: Map<string, Buffer>; faults: Map<string, FileFault> }> {
	const files = new Map<string, Buffer>()
	const faults = new Map<string, FileFault>()
	await eachBounded(names, async (name) => {
		const content = await readOne(join(directory, name))
		if (typeof content === 'string') faults.set(name, content)
		else files.set(name, content)
	})
	return { files, faults }
}
