import { execFile } from 'node:child_process'
import { lstat, readdir, readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { MANIFEST_FILE, parseManifest } from 'purista-azure-mounted-secret-store/manifest'
import { currentGeneration, isMissing } from '../mount/atomic-writer.ts'

/** Asks git, in a folder. @returns its exit code and output; undefined when there is no git */
export type Git = (folder: string, args: readonly string[]) => Promise<{ code: number; output: string } | undefined>

/**
 * Why a folder must not be written to; undefined when it may.
 *
 * 1. It is not there, or empty, or holds what an earlier run for the same binding left.
 * 2. Git would not commit it: it lies in no work tree, or the work tree ignores it.
 *
 * @param uid of the binding, as it stands in the manifest
 */
export async function whyNotOurs(path: string, uid: string, git: Git): Promise<string | undefined> {
	return (await whyTaken(path, uid)) ?? (await whyCommitted(path, git))
}

/** undefined: none of this program's */
function generationIn(path: string): string | undefined {
	try {
		return currentGeneration(path)
	} catch {
		return undefined
	}
}

async function whyTaken(path: string, uid: string): Promise<string | undefined> {
	// Without a slash at its end, which would follow a link.
	const full = resolve(path)
	try {
		const stats = await lstat(full)
		if (!stats.isDirectory()) return `${path} is no folder. Write another --out.`
		const user = process.getuid?.()
		if (user !== undefined && stats.uid !== user)
			return `The folder ${path} belongs to another user. Write another --out.`
	} catch (error) {
		if (isMissing(error)) return undefined
		throw error
	}
	const names = await readdir(full)
	if (names.length === 0) return undefined
	const generation = generationIn(full)
	if (generation === undefined)
		return `The folder ${path} is not empty and was not made by this program (it has ${names[0]}). Write another --out, or empty it.`
	const parsed = parseManifest(await readFile(join(full, generation, MANIFEST_FILE), 'utf8').catch(() => ''))
	const binding = parsed.kind === 'ok' ? parsed.manifest.binding : undefined
	if (binding?.uid === uid) return undefined
	const whose = binding ? `of the binding ${binding.namespace}/${binding.name}` : 'of another program'
	return `The folder ${path} holds the files ${whose}. Write another --out, or remove it.`
}

/** Names as they are written into a folder: a rule of git may leave some of them out. */
const WRITTEN = ['x', '..data', MANIFEST_FILE, '..2026_01_01_00_00_00.x/x', `..2026_01_01_00_00_00.x/${MANIFEST_FILE}`]

async function whyCommitted(path: string, git: Git): Promise<string | undefined> {
	const full = await realPathOf(resolve(path))
	const tree = await workTreeOf(full)
	if (tree === undefined) return undefined
	const inside = relative(tree, full)
	const asked = WRITTEN.map((name) => join(inside, name))
	const answer = await git(tree, ['check-ignore', '--', ...asked])
	if (answer?.code === 0 && answer.output.split('\n').filter(Boolean).length === asked.length) return undefined
	const text = `The folder ${path} lies in the git work tree ${tree}, which does not ignore all of it: its secrets could be committed.`
	if (inside === '') return `${text} Write an --out below it, and ignore that.`
	// Other characters mean something to git or to a shell.
	if (!/^[\w./-]+$/.test(inside) || !/^[\w./-]+$/.test(tree))
		return `${text} Add it to .gitignore, or write another --out.`
	return `${text} Write another --out, or ignore it:\necho '/${inside}/' >> ${join(tree, '.gitignore')}`
}

/** Where a path really leads: what of it is there may have links. */
async function realPathOf(path: string): Promise<string> {
	try {
		return await realpath(path)
	} catch (error) {
		if (!isMissing(error) || dirname(path) === path) throw error
		return join(await realPathOf(dirname(path)), basename(path))
	}
}

/** The nearest folder upwards that has a `.git`: a folder, or a file in a linked work tree. */
async function workTreeOf(path: string): Promise<string | undefined> {
	for (let at = path; ; at = dirname(at)) {
		const stats = await lstat(join(at, '.git')).catch(() => undefined)
		if (stats) return at
		if (dirname(at) === at) return undefined
	}
}

// Git reads a few files; longer than this it waits for somebody.
const GIT_MS = 10_000

/** Git as a program, without a shell. */
export const runGit: Git = (folder, args) =>
	new Promise((done) => {
		execFile('git', ['-C', folder, ...args], { timeout: GIT_MS }, (error, stdout) => {
			if (!error) return done({ code: 0, output: stdout })
			done(typeof error.code === 'number' ? { code: error.code, output: stdout } : undefined)
		})
	})
