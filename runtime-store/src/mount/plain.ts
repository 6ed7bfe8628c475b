import type { BigIntStats } from 'node:fs'
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'
import { codeOf, eachBounded, type FileFault } from './files.ts'

/** What a plain directory holds at one moment. */
export interface Stamps {
	readonly names: string[]
	readonly faults: Map<string, FileFault>
	/** Changes when a file does. */
	readonly id: string
}

const stampOf = (name: string, s: BigIntStats) => `${name}:${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`

const isOutside = (root: string, path: string) => {
	const way = relative(root, path)
	return way === '..' || way.startsWith('../') || isAbsolute(way)
}

/** What is under a name: the stats of a file, why it cannot be read, or undefined when it is gone or no file. */
async function look(root: string, name: string): Promise<BigIntStats | FileFault | undefined> {
	const path = join(root, name)
	try {
		const stats = await lstat(path, { bigint: true })
		if (!stats.isSymbolicLink()) return stats.isFile() ? stats : undefined
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined
		throw error
	}
	try {
		// A link may stay in the mount, as those of a volume do; where it leads otherwise is nobody's to read under the name of a secret.
		if (isOutside(root, await realpath(path))) return 'outside'
		const stats = await stat(path, { bigint: true })
		return stats.isFile() ? stats : undefined
	} catch (error) {
		const code = codeOf(error)
		if (code === undefined) throw error
		return code
	}
}

/** Takes the stamps (inode, size, times) of all files. Names with leading dots `..` are the writers' own. */
export async function stampsOf(directory: string): Promise<Stamps> {
	const root = await realpath(directory)
	const entries = (await readdir(root)).filter((name) => !name.startsWith('..')).toSorted()
	const names: string[] = []
	const faults = new Map<string, FileFault>()
	const found = await eachBounded(entries, async (name) => {
		const at = await look(root, name)
		if (at === undefined) return undefined
		if (typeof at === 'string') faults.set(name, at)
		else names.push(name)
		return typeof at === 'string' ? `${name}!${at}` : stampOf(name, at)
	})
	return { names, faults, id: `plain ${found.filter((stamp) => stamp !== undefined).join(' ')}` }
}
