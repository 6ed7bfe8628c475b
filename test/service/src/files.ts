import { createHash } from 'node:crypto'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** What the pod sees in its mount, without values: a test compares fingerprints with what it put into the vault. */
export interface MountedFiles {
	readonly generation: string | null
	readonly files: Readonly<Record<string, { sha256: string; bytes: number }>>
	/** The text of the manifest; it holds no values. */
	readonly manifest: string | null
}

/** Reads the directory as a plain program would, without the store. */
export async function mountedFiles(directory: string): Promise<MountedFiles> {
	const generation = await readlink(join(directory, '..data')).catch(() => null)
	const files: Record<string, { sha256: string; bytes: number }> = {}
	for (const name of (await readdir(directory)).toSorted()) {
		if (name.startsWith('..') || name === '.binding.json') continue
		const bytes = await readFile(join(directory, name))
		files[name] = { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length }
	}
	const manifest = await readFile(join(directory, '.binding.json'), 'utf8').catch(() => null)
	return { generation, files, manifest }
}
