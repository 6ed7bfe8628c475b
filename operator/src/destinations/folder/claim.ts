import { execFile } from 'node:child_process'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { MANIFEST_FILE, parseManifest } from 'purista-azure-mounted-secret-store/manifest'
import { DATA_LINK, isMissing } from '../mount/atomic-writer.ts'

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
	return (await whyHeld(path, uid)) ?? (await whyCommitted(path, git))
}

async function whyHeld(path: string, uid: string): Promise<string | undefined> {
	try {
		if (!(await lstat(path)).isDirectory()) return `${path} is no folder. Write another --out.`
	} catch (error) {
		if (isMissing(error)) return undefined
		throw error
	}
	const names = await readdir(path)
	if (names.length === 0) return undefined
	if (!names.includes(DATA_LINK))
		return `The folder ${path} is not empty and was not made by this program (it has ${names[0]}). Write another --out, or empty it.`
	const parsed = parseManifest(await readFile(join(path, DATA_LINK, MANIFEST_FILE), 'utf8').catch(() => ''))
	const binding = parsed.kind === 'ok' ? parsed.manifest.binding : undefined
	if (binding?.uid === uid) return undefined
	const whose = binding ? `of the binding ${binding.namespace}/${binding.name}` : 'of another program'
	return `The folder ${path} holds the files ${whose}. Write another --out, or remove it.`
}

async function whyCommitted(path: string, git: Git): Promise<string | undefined> {
	const full = resolve(path)
	const tree = await workTreeOf(full)
	if (tree === undefined) return undefined
	const inside = relative(tree, full)
	const answer = await git(tree, ['check-ignore', '--quiet', '--', join(inside, 'x')])
	if (answer?.code === 0) return undefined
	const text = `The folder ${path} lies in the git work tree ${tree}, which does not ignore it: its secrets could be committed.`
	if (inside === '') return `${text} Write an --out below it, and ignore that.`
	// Other characters mean something to git or to a shell.
	if (!/^[\w./-]+$/.test(inside) || !/^[\w./-]+$/.test(tree))
		return `${text} Add it to .gitignore, or write another --out.`
	return `${text} Write another --out, or ignore it:\necho '/${inside}/' >> ${join(tree, '.gitignore')}`
}

/** The nearest folder upwards that has a `.git`: a folder, or a file in a linked work tree. */
async function workTreeOf(path: string): Promise<string | undefined> {
	for (let at = path; ; at = dirname(at)) {
		const found = await lstat(join(at, '.git')).catch(() => undefined)
		if (found) return at
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
