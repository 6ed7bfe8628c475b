// Fetches the Python SDK into the cache folder, once per set of versions.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt')
const run = promisify(execFile)

export type Python = { kind: 'ok'; python: string; path: string } | { kind: 'missing'; reason: string }

/**
 * A Python with the SDK on `path` (for PYTHONPATH), or why there is none.
 *
 * 1. A folder for this Python and these versions that is complete: nothing to do.
 * 2. Otherwise pip installs beside it; the rename says that it is complete.
 */
export async function preparePython(cache: string): Promise<Python> {
	const python = 'python3'
	let version: string
	try {
		version = (await run(python, ['-c', 'import sys; print(sys.version_info[:2])'])).stdout
	} catch {
		return { kind: 'missing', reason: 'there is no python3 on the PATH' }
	}
	const key = createHash('sha256').update(readFileSync(REQUIREMENTS)).update(version).digest('hex').slice(0, 12)
	const path = join(cache, `azure-sdk-python-${key}`)
	if (existsSync(path)) return { kind: 'ok', python, path }
	const part = `${path}.part-${process.pid}`
	try {
		await mkdir(part, { recursive: true })
		await run(
			python,
			[
				'-m',
				'pip',
				'install',
				'--quiet',
				'--no-input',
				'--disable-pip-version-check',
				'--target',
				part,
				'-r',
				REQUIREMENTS,
			],
			{ timeout: 240_000 },
		)
		await rename(part, path)
	} catch (error) {
		await rm(part, { recursive: true, force: true })
		if (existsSync(path)) return { kind: 'ok', python, path }
		const { stderr, message } = error as Error & { stderr?: string }
		return {
			kind: 'missing',
			reason: `pip could not install the SDK: ${(stderr?.trim() || message).split('\n').at(-1)}`,
		}
	}
	return { kind: 'ok', python, path }
}
