import { type BigIntStats, constants } from 'node:fs'
import { open, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What a look at a directory found. */
export type MountRead =
	/** The directory is as it was when `known` was read. */
	| { kind: 'unchanged' }
	/** One generation of a volume written by the kubelet or a CSI driver: all files are of one moment. */
	| { kind: 'generation'; id: string; files: Map<string, Buffer> }
	/** A directory without `..data`: each file is whole, but they may be of different moments. */
	| { kind: 'plain'; id: string; files: Map<string, Buffer> }
	/** The directory is not there, or there is nothing in it. */
	| { kind: 'missing' | 'empty' }

/** The directory changed during each of the attempts. The next event or poll looks again. */
class MountBusyError extends Error {
	override name = 'MountBusyError'
}

// A swap costs the kubelet tens of milliseconds and a read takes about one: a second attempt is rare, a tenth was never seen.
const ATTEMPTS = 20
// Keeps a directory of many thousand files from opening them all at once; libuv works on four at a time anyway.
const OPEN_FILES = 64

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? error.code : undefined)

async function linkOf(directory: string): Promise<string | undefined> {
	try {
		return await readlink(join(directory, '..data'))
	} catch (error) {
		// EINVAL: "..data" is there and no link, so nobody of ours wrote this directory.
		if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EINVAL') return undefined
		throw error
	}
}

/** Runs `work` for each item, a bounded number at a time, and keeps the order. */
async function eachBounded<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
	const results: R[] = []
	for (let i = 0; i < items.length; i += OPEN_FILES) {
		results.push(...(await Promise.all(items.slice(i, i + OPEN_FILES).map(work))))
	}
	return results
}

async function filesOf(directory: string, names: readonly string[]): Promise<Map<string, Buffer>> {
	const contents = await eachBounded(names, async (name) => [name, await readFile(join(directory, name))] as const)
	return new Map(contents)
}

/**
 * Reads one generation of an AtomicWriter directory as a whole.
 *
 * The writer (kubelet, CSI drivers, ours): fills a new directory `..<generation>`, renames the link `..data` onto it, which
 * is the commit, and only then deletes the directory of before, file by file. A generation never changes. Hence:
 *
 * 1. Read the link. It names the generation G; when G is the one we know, there is nothing to do.
 * 2. List G and read its files under that path, never through the links in the mount.
 * 3. Read the link again. If it still names G, then nothing of G was deleted before step 3: what we have is complete.
 *    (During its deletion a listing of G would be partial *without an error*.)
 * 4. Otherwise, or when a file was gone, start again with the new generation.
 */
async function readGeneration(directory: string, link: string, known: string | undefined): Promise<MountRead> {
	let id = link
	for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
		if (id === known) return { kind: 'unchanged' }
		const root = join(directory, id)
		let files: Map<string, Buffer> | undefined
		try {
			const entries = await readdir(root, { withFileTypes: true })
			const names = entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
			files = await filesOf(root, names)
		} catch (error) {
			if (codeOf(error) !== 'ENOENT') throw error
		}
		const after = await linkOf(directory)
		if (after === id && files !== undefined)
			return files.size === 0 ? { kind: 'empty' } : { kind: 'generation', id, files }
		if (after === undefined) return { kind: 'missing' }
		id = after
	}
	throw new MountBusyError('the directory was swapped faster than it could be read')
}

const stampOf = (name: string, s: BigIntStats) => `${name}:${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`

async function stampsOf(directory: string): Promise<{ names: string[]; id: string }> {
	const entries = (await readdir(directory)).filter((name) => !name.startsWith('..')).toSorted()
	const found = await eachBounded(entries, async (name) => {
		const stats = await stat(join(directory, name), { bigint: true })
		return stats.isFile() ? { name, stamp: stampOf(name, stats) } : undefined
	})
	const files = found.filter((item) => item !== undefined)
	return { names: files.map((file) => file.name), id: `plain ${files.map((file) => file.stamp).join(' ')}` }
}

/**
 * Reads a directory without `..data`. There is no commit to wait for: 1. take the stamps (inode, size, times) of all files,
 * 2. read them, 3. take the stamps again, 4. start again when they differ.
 */
async function readPlain(directory: string, known: string | undefined): Promise<MountRead> {
	for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
		try {
			const before = await stampsOf(directory)
			if (before.id === known) return { kind: 'unchanged' }
			const files = await filesOf(directory, before.names)
			const after = await stampsOf(directory)
			if (after.id === before.id) return files.size === 0 ? { kind: 'empty' } : { kind: 'plain', id: before.id, files }
		} catch (error) {
			if (codeOf(error) !== 'ENOENT') throw error
			if (!(await exists(directory))) return { kind: 'missing' }
		}
		if ((await linkOf(directory)) !== undefined) break
	}
	throw new MountBusyError('the directory changed faster than it could be read')
}

async function exists(directory: string): Promise<boolean> {
	try {
		const handle = await open(directory, constants.O_RDONLY)
		await handle.close()
		return true
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return false
		throw error
	}
}

/**
 * Reads a mounted directory as a whole.
 *
 * @param known `id` of the last read; the answer is `unchanged` when it still holds, for the price of one readlink
 * @throws MountBusyError when it changed during every attempt; system errors such as EACCES as they are
 */
export async function readMount(directory: string, known?: string): Promise<MountRead> {
	const link = await linkOf(directory)
	if (link !== undefined) return readGeneration(directory, link, known)
	return readPlain(directory, known)
}
