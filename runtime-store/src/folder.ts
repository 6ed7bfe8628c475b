import { randomBytes } from 'node:crypto'
import { lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { storeError } from './errors.ts'
import { fileNameProblem } from './manifest/index.ts'

const missing = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** A directory with `..data` is written by the kubelet or a driver, which would undo what we write. */
async function refuseMounted(directory: string): Promise<void> {
	const mounted = await lstat(join(directory, '..data')).then(
		() => true,
		(error: unknown) => {
			if (missing(error)) return false
			throw error
		},
	)
	if (mounted) throw storeError('Mounted')
}

function checked(name: string): string {
	if (fileNameProblem(name) !== undefined) throw storeError('InvalidFileName')
	return name
}

/** Writes a file of a plain directory as a whole, readable by its owner only. Makes the directory when it is missing. */
export async function writeFolder(directory: string, name: string, value: string): Promise<void> {
	checked(name)
	await refuseMounted(directory)
	await mkdir(directory, { recursive: true, mode: 0o700 })
	// Names with leading dots are not read as secrets.
	const temporary = join(directory, `..${name}.${randomBytes(6).toString('hex')}`)
	try {
		await writeFile(temporary, value, { mode: 0o600 })
		await rename(temporary, join(directory, name))
	} catch (error) {
		await rm(temporary, { force: true })
		throw error
	}
}

/** Removes a file of a plain directory; one that is not there is as good as removed. */
export async function removeFromFolder(directory: string, name: string): Promise<void> {
	checked(name)
	await refuseMounted(directory)
	await rm(join(directory, name), { force: true })
}
