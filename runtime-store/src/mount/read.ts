import { lstat, readdir, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, type FileFault, filesOf } from './files.ts'
import { stampsOf } from './plain.ts'
import { mountedBySubPath } from './sub-path.ts'

export type { FileFault } from './files.ts'

/** The files of a directory. */
export interface ReadFiles {
	/**
	 * `generation`: one generation of a volume written by the kubelet or a CSI driver; all files are of one moment.
	 * `plain`: a directory without `..data`; each file is whole, but they may be of different moments.
	 */
	readonly kind: 'generation' | 'plain'
	readonly id: string
	readonly files: Map<string, Buffer>
	/** Files that cannot be read; the others are served. */
	readonly faults: Map<string, FileFault>
	readonly subPath: boolean
}

/** What a look at a directory found. */
export type MountRead =
	/** The directory is as it was when `known` was read. */
	| { kind: 'unchanged' }
	| ReadFiles
	/** The directory is not there, or there is nothing in it. */
	| { kind: 'missing' | 'empty' }

/** The directory changed during each of the attempts. The next event or poll looks again. */
class MountBusyError extends Error {
	override name = 'MountBusyError'
}

/** Something is wrong with the whole directory. */
class MountReadError extends Error {
	override name = 'MountReadError'
	readonly code: string
	constructor(code: string) {
		super(`the directory cannot be read: ${code}`)
		this.code = code
	}
}

// A swap costs the kubelet tens of milliseconds and a read takes about one: a second attempt is rare, a tenth was never seen.
const ATTEMPTS = 20

async function linkOf(directory: string): Promise<string | undefined> {
	let link: string
	try {
		link = await readlink(join(directory, '..data'))
	} catch (error) {
		// EINVAL: "..data" is there and no link, so nobody of ours wrote this directory.
		if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EINVAL') return undefined
		throw error
	}
	// AtomicWriter's link names a directory beside it. Any other could lead out of the mount.
	if (link.includes('/') || link === '..' || link === '.') throw new MountReadError('outside')
	return link
}

/** What was read, or that there is nothing. One file that cannot be read is its own trouble, all of them are that of the directory. */
function answer(read: ReadFiles): MountRead {
	const [first] = read.faults.values()
	if (read.files.size > 0) return read
	if (first !== undefined) throw new MountReadError(first)
	return { kind: 'empty' }
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
		// A link there would lead out of the mount as well.
		const isLink = await lstat(root).then(
			(found) => found.isSymbolicLink(),
			() => false,
		)
		if (isLink) throw new MountReadError('outside')
		let read: Awaited<ReturnType<typeof filesOf>> | undefined
		try {
			const entries = await readdir(root, { withFileTypes: true })
			read = await filesOf(
				root,
				entries.filter((entry) => entry.isFile()).map((entry) => entry.name),
			)
		} catch (error) {
			if (codeOf(error) !== 'ENOENT') throw error
		}
		const after = await linkOf(directory)
		if (after === id && read !== undefined) return answer({ kind: 'generation', id, ...read, subPath: false })
		if (after === undefined) return { kind: 'missing' }
		id = after
	}
	throw new MountBusyError('the directory was swapped faster than it could be read')
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
			const { files, faults } = await filesOf(directory, before.names)
			const after = await stampsOf(directory)
			if (after.id === before.id) {
				const subPath = await mountedBySubPath(directory)
				return answer({ kind: 'plain', id: before.id, files, faults: new Map([...after.faults, ...faults]), subPath })
			}
		} catch (error) {
			if (codeOf(error) !== 'ENOENT') throw error
			if (!(await exists(directory))) return { kind: 'missing' }
		}
		// A volume came to be here meanwhile.
		const link = await linkOf(directory)
		if (link !== undefined) return readGeneration(directory, link, known)
	}
	throw new MountBusyError('the directory changed faster than it could be read')
}

async function exists(directory: string): Promise<boolean> {
	try {
		await stat(directory)
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
