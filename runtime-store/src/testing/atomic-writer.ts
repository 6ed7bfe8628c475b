import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readlink, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const missing = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT'

/**
 * Writes a directory as the kubelet's AtomicWriter does:
 *
 * 1. Fill a new directory `..<generation>`.
 * 2. Make the link `..data_tmp` to it and rename it to `..data`: the commit.
 * 3. Make the links `<key>` → `..data/<key>` that are missing, remove those of keys that are gone.
 * 4. Delete the directory of before, file by file.
 *
 * A run that died between making the link and renaming it left `..data_tmp`; it is removed first.
 */
export class AtomicWriter {
	readonly directory: string

	constructor(directory: string) {
		this.directory = directory
	}

	/** Writes a generation and returns its name. */
	async write(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
		const { directory } = this
		await mkdir(directory, { recursive: true })
		const before = await readlink(join(directory, '..data')).catch((error: unknown) => {
			if (missing(error)) return undefined
			throw error
		})

		const stamp = new Date().toISOString().slice(0, 19).replace(/[-T:]/g, '_')
		const root = await mkdtemp(join(directory, `..${stamp}.${randomBytes(4).toString('hex')}`))
		const generation = root.slice(directory.length + 1)
		await chmod(root, 0o755)
		for (const [name, content] of Object.entries(files)) await writeFile(join(root, name), content, { mode: 0o644 })

		const temporary = join(directory, '..data_tmp')
		await rm(temporary, { force: true })
		await symlink(generation, temporary)
		await rename(temporary, join(directory, '..data'))

		const present = new Set((await readdir(directory)).filter((name) => !name.startsWith('..')))
		for (const name of Object.keys(files))
			if (!present.has(name)) await symlink(join('..data', name), join(directory, name))
		for (const name of present) if (!Object.hasOwn(files, name)) await unlink(join(directory, name))
		if (before !== undefined) await rm(join(directory, before), { recursive: true, force: true })
		return generation
	}
}
