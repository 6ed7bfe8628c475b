// All calls are synchronous: nothing waits for a disk in a memory volume, and the way by the thread pool took a rotation of fifty volumes 0.8 s of
// processor time instead of 0.5 (`npm run bench -- volumes`). After so many files everything else has its turn.
import {
	chmodSync,
	chownSync,
	copyFileSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readlinkSync,
	renameSync,
	rmSync,
	symlinkSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Name of the link to the files that count. */
export const DATA_LINK = '..data'
// One for each writer: that of another one is not renamed by mistake.
const NEW_LINK = '..data_tmp'
// A directory beside the link, as mkdtemp names it below. Nothing else is read, and above all nothing else is deleted.
const GENERATION = /^\.\.\d{4}(_\d\d){5}\.\w+$/

// Without a suffix: of the versions before.
const LEFT_LINK = /^\.\.data_tmp(\.\w+)?$/

// Each takes tens of microseconds, with a value of a usual size.
const FILES_IN_A_TURN = 100

/** Does the work for each, and lets others have their turn in between. */
export async function inTurns<T>(items: Iterable<T>, work: (item: T) => void): Promise<void> {
	let done = 0
	for (const item of items) {
		work(item)
		if (++done % FILES_IN_A_TURN === 0) await nextTurn()
	}
}

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
	mkdirSync(directory, { recursive: true, mode: modes.directory })
	const before = currentGeneration(directory)
	sweep(directory, before)

	const stamp = new Date(now).toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')
	// mkdtemp makes it 0700, whatever the umask, and adds six random characters.
	const root = mkdtempSync(join(directory, `..${stamp}.`))
	try {
		await fill(root, before === undefined ? undefined : join(directory, before), { set, keep }, modes)
		if (!isCurrent(currentGeneration(directory))) {
			rmSync(root, { recursive: true, force: true })
			return undefined
		}
		commit(directory, basename(root))
	} catch (error) {
		// Where there is no place left, half a generation takes the last of it, from others too, until somebody writes here again.
		rmSync(root, { recursive: true, force: true })
		throw error
	}
	const generation = basename(root)
	await linkNames(directory, new Set([...keep, ...set.keys()]))
	if (before !== undefined) rmSync(join(directory, before), { recursive: true, force: true })
	return generation
}

/**
 * Ends what a writer that was killed had begun: 1 and 4 of above for the generation that counts. Until somebody writes there again, the values
 * of before lie beside it otherwise.
 */
export async function finishGeneration(directory: string): Promise<void> {
	const generation = currentGeneration(directory)
	sweep(directory, generation)
	if (generation !== undefined) await linkNames(directory, new Set(readdirSync(join(directory, generation))))
}

/** Whether nothing of what a writer has to do after its commit is left to do, but for links of names that are there. */
export function isSwept(directory: string, generation: string, names: readonly string[]): boolean {
	const there = new Set(names)
	return !namesIn(directory).some(
		(name) =>
			LEFT_LINK.test(name) ||
			(GENERATION.test(name) && name !== generation) ||
			(!there.has(name) && isOurLink(directory, name)),
	)
}

async function fill(
	root: string,
	before: string | undefined,
	{ set, keep }: Pick<Generation, 'set' | 'keep'>,
	modes: Modes,
): Promise<void> {
	await inTurns(keep, (name) => {
		if (before === undefined) return
		copyFileSync(join(before, name), join(root, name))
		setPermission(join(root, name), modes.file, modes.group)
	})
	await inTurns(set, ([name, content]) => {
		writeFileSync(join(root, name), content, { mode: modes.file })
		setPermission(join(root, name), modes.file, modes.group)
	})
	setPermission(root, modes.directory, modes.group)
}

function commit(directory: string, generation: string): void {
	const link = join(directory, `${NEW_LINK}${generation.slice(generation.lastIndexOf('.'))}`)
	symlinkSync(generation, link)
	renameSync(link, join(directory, DATA_LINK))
}

/**
 * Mode and group of one path, before the commit: the umask, and what a copy was, say nothing about what the files of this generation shall be.
 *
 * @param group undefined: it stays what it is
 */
export function setPermission(path: string, mode: number, group: number | undefined): void {
	if (group !== undefined) chownSync(path, process.getuid?.() ?? 0, group)
	chmodSync(path, mode)
}

/** Name of the directory that `..data` names; undefined when there is none. @throws ForeignLayout */
export function currentGeneration(directory: string): string | undefined {
	const foreign = () =>
		new ForeignLayout(
			`${join(directory, DATA_LINK)} was not made by this program. Remove the folder, or write another one.`,
		)
	let name: string
	try {
		name = readlinkSync(join(directory, DATA_LINK))
	} catch (error) {
		if (isMissing(error)) return undefined
		// EINVAL: no link.
		throw isCode(error, 'EINVAL') ? foreign() : error
	}
	if (!GENERATION.test(name)) throw foreign()
	try {
		if (!lstatSync(join(directory, name)).isDirectory()) throw foreign()
	} catch (error) {
		// Deleted meanwhile, or by a writer that died: there is nothing that counts.
		if (isMissing(error)) return undefined
		throw error
	}
	return name
}

/** Removes all that a writer of this kind made, and the directory itself when nothing else is in it. */
export async function removeGenerations(directory: string): Promise<void> {
	const names = namesIn(directory)
	await inTurns(names, (name) => isOurLink(directory, name) && unlinkSync(join(directory, name)))
	rmSync(join(directory, DATA_LINK), { force: true })
	sweep(directory, undefined)
	if (names.length > 0 && readdirSync(directory).length === 0) rmSync(directory, { recursive: true })
}

function namesIn(directory: string): string[] {
	try {
		return readdirSync(directory)
	} catch (error) {
		if (isMissing(error)) return []
		throw error
	}
}

function sweep(directory: string, current: string | undefined): void {
	for (const name of namesIn(directory)) {
		if (LEFT_LINK.test(name)) rmSync(join(directory, name), { force: true })
		else if (GENERATION.test(name) && name !== current) rmSync(join(directory, name), { recursive: true, force: true })
	}
}

async function linkNames(directory: string, wanted: ReadonlySet<string>): Promise<void> {
	await inTurns(wanted, (name) => {
		if (isOurLink(directory, name)) return
		// An editor that saves by rename leaves a file in place of the link: it would hide every later version.
		rmSync(join(directory, name), { recursive: true, force: true })
		symlinkSync(join(DATA_LINK, name), join(directory, name))
	})
	await inTurns(readdirSync(directory), (name) => {
		if (!wanted.has(name) && isOurLink(directory, name)) unlinkSync(join(directory, name))
	})
}

/** Whether it is a link to the file of the same name in `..data`. */
export function isOurLink(directory: string, name: string): boolean {
	try {
		return readlinkSync(join(directory, name)) === join(DATA_LINK, name)
	} catch (error) {
		// EINVAL: no link.
		if (isMissing(error) || isCode(error, 'EINVAL')) return false
		throw error
	}
}

export const isMissing = (error: unknown): boolean => isCode(error, 'ENOENT', 'ENOTDIR')

const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
	error instanceof Error && 'code' in error && codes.includes(String(error.code))
