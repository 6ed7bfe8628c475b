import {
	chmod,
	chown,
	copyFile,
	lstat,
	mkdir,
	mkdtemp,
	readdir,
	readlink,
	rename,
	rm,
	symlink,
	unlink,
	writeFile,
} from 'node:fs/promises'
import { basename, join } from 'node:path'

/** Name of the link to the files that count. */
export const DATA_LINK = '..data'
// One for each writer: that of another one is not renamed by mistake.
const NEW_LINK = '..data_tmp'
// A directory beside the link, as mkdtemp names it below. Nothing else is read, and above all nothing else is deleted.
const GENERATION = /^\.\.\d{4}(_\d\d){5}\.\w+$/

// Without a suffix: of the versions before.
const LEFT_LINK = /^\.\.data_tmp(\.\w+)?$/

/** `..data` is there, and no writer of this kind has made it: it may lead anywhere. */
export class ForeignLayout extends Error {
	override readonly name = 'ForeignLayout'
}

export interface Modes {
	readonly directory: number
	readonly file: number
	/** owns files and directory of each generation; undefined: the group of this process */
	readonly group?: number | undefined
}

export interface Generation {
	/** new bytes by file name, in the order in which they are written */
	readonly set: ReadonlyMap<string, string | Uint8Array>
	/** files that stay as they are in the generation of before */
	readonly keep: readonly string[]
	/** milliseconds since the epoch; part of the name, for people who look */
	readonly now: number
}

/**
 * Writes the files of a mount as the kubelet does, so that a reader sees all of the old ones or all of the new ones:
 *
 * 1. What a writer that died left behind goes: links `..data_tmp.<random>`, and generations that `..data` does not name.
 * 2. A new directory `..<time>.<random>` is filled: copies of what stays, then what is new.
 * 3. The link `..data_tmp.<random>` to it is made and renamed to `..data`. This is the commit.
 * 4. Links `<name>` → `..data/<name>` are made where they are missing or something else is in their place, and removed where
 *    their file is gone.
 * 5. The directory of before is deleted.
 *
 * Two writers at once would take each other's generations for left behind: whoever may meet another one holds a lock (lock.ts).
 *
 * @param isCurrent asked right before the commit with what `..data` names; false: somebody else wrote, nothing is changed
 * @returns the name of the new generation; undefined when it was not current any more
 */
export async function writeGeneration(
	directory: string,
	{ set, keep, now }: Generation,
	modes: Modes,
	isCurrent: (generation: string | undefined) => boolean,
): Promise<string | undefined> {
	await mkdir(directory, { recursive: true, mode: modes.directory })
	const before = await currentGeneration(directory)
	await sweep(directory, before)

	const stamp = new Date(now).toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')
	// mkdtemp makes it 0700, whatever the umask, and adds six random characters.
	const root = await mkdtemp(join(directory, `..${stamp}.`))
	for (const name of keep) if (before !== undefined) await copyFile(join(directory, before, name), join(root, name))
	for (const [name, content] of set) await writeFile(join(root, name), content, { mode: modes.file })
	await setPermissions(root, [...keep, ...set.keys()], modes)

	if (!isCurrent(await currentGeneration(directory))) {
		await rm(root, { recursive: true, force: true })
		return undefined
	}
	const generation = basename(root)
	const link = join(directory, `${NEW_LINK}${generation.slice(generation.lastIndexOf('.'))}`)
	await symlink(generation, link)
	await rename(link, join(directory, DATA_LINK))
	await linkNames(directory, new Set([...keep, ...set.keys()]))
	if (before !== undefined) await rm(join(directory, before), { recursive: true, force: true })
	return generation
}

/** Before the commit: the umask, and what a copy was, say nothing about what the files of this generation shall be. */
async function setPermissions(
	root: string,
	names: readonly string[],
	{ directory, file, group }: Modes,
): Promise<void> {
	for (const name of names) await setPermission(join(root, name), file, group)
	await setPermission(root, directory, group)
}

/** Mode and group of one path. @param group undefined: it stays what it is */
export async function setPermission(path: string, mode: number, group: number | undefined): Promise<void> {
	if (group !== undefined) await chown(path, process.getuid?.() ?? 0, group)
	await chmod(path, mode)
}

/** Name of the directory that `..data` names; undefined when there is none. @throws ForeignLayout */
export async function currentGeneration(directory: string): Promise<string | undefined> {
	const foreign = () =>
		new ForeignLayout(
			`${join(directory, DATA_LINK)} was not made by this program. Remove the folder, or write another one.`,
		)
	let name: string
	try {
		name = await readlink(join(directory, DATA_LINK))
	} catch (error) {
		if (isMissing(error)) return undefined
		// EINVAL: no link.
		throw error instanceof Error && 'code' in error && error.code === 'EINVAL' ? foreign() : error
	}
	if (!GENERATION.test(name)) throw foreign()
	try {
		if (!(await lstat(join(directory, name))).isDirectory()) throw foreign()
	} catch (error) {
		// Deleted meanwhile, or by a writer that died: there is nothing that counts.
		if (isMissing(error)) return undefined
		throw error
	}
	return name
}

/** Removes all that a writer of this kind made, and the directory itself when nothing else is in it. */
export async function removeGenerations(directory: string): Promise<void> {
	const names = await readdir(directory).catch((error: unknown) => {
		if (isMissing(error)) return []
		throw error
	})
	for (const name of names) if (await isOurLink(directory, name)) await unlink(join(directory, name))
	await rm(join(directory, DATA_LINK), { force: true })
	await sweep(directory, undefined)
	const rest = names.length > 0 ? await readdir(directory) : []
	if (names.length > 0 && rest.length === 0) await rm(directory, { recursive: true })
}

async function sweep(directory: string, current: string | undefined): Promise<void> {
	const names = await readdir(directory).catch(() => [])
	for (const name of names) {
		if (LEFT_LINK.test(name)) await rm(join(directory, name), { force: true })
		else if (GENERATION.test(name) && name !== current)
			await rm(join(directory, name), { recursive: true, force: true })
	}
}

async function linkNames(directory: string, wanted: ReadonlySet<string>): Promise<void> {
	for (const name of wanted) {
		if (await isOurLink(directory, name)) continue
		// An editor that saves by rename leaves a file in place of the link: it would hide every later version.
		await rm(join(directory, name), { recursive: true, force: true })
		await symlink(join(DATA_LINK, name), join(directory, name))
	}
	for (const name of await readdir(directory)) {
		if (!wanted.has(name) && (await isOurLink(directory, name))) await unlink(join(directory, name))
	}
}

/** Whether it is a link to the file of the same name in `..data`. */
export async function isOurLink(directory: string, name: string): Promise<boolean> {
	const path = join(directory, name)
	try {
		return (await lstat(path)).isSymbolicLink() && (await readlink(path)) === join(DATA_LINK, name)
	} catch (error) {
		if (isMissing(error)) return false
		throw error
	}
}

export const isMissing = (error: unknown): boolean =>
	error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
