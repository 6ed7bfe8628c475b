import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A final stage of the Dockerfile. */
export type Target = 'operator' | 'emulator' | 'service'

/** What the Dockerfile copies for every target, and itself. */
const COMMON = [
	...['Dockerfile', '.dockerignore', 'package.json', 'package-lock.json', '.npmrc', 'tsconfig.json'],
	...['operator/package.json', 'runtime-store/package.json', 'test/emulator/package.json', 'test/service/package.json'],
	'test/apidoc/package.json',
	...['test/stubs', 'test/images/bundle.ts', 'test/images/collect-runtime.mjs'],
]
const SOURCES: Readonly<Record<Target, readonly string[]>> = {
	operator: ['operator/src', 'runtime-store/src'],
	emulator: ['test/emulator/src'],
	service: ['test/service/src', 'runtime-store/src'],
}

/** As .dockerignore has it: tests are in no image. */
const ignored = (path: string) =>
	path.endsWith('.test.ts') || path.split('/').includes('testing') || path.endsWith('/README.md')

/**
 * A key that changes when the image of `target` would: over the files it is built from and `more` (build arguments, the base).
 * @param root the repository
 */
export function inputsKey(root: string, target: Target, more: object): string {
	const hash = createHash('sha256').update(JSON.stringify(more))
	for (const path of [...COMMON, ...SOURCES[target]]) {
		for (const file of filesBelow(root, path)) {
			const content = readFileSync(join(root, file))
			// Lengths first, so that no two lists of files can look the same.
			hash.update(`\0${file.length}:${file}${content.length}:`).update(content)
		}
	}
	// 64 bits: an accident is out of the question, and it fits on a line.
	return hash.digest('hex').slice(0, 16)
}

function filesBelow(root: string, path: string): string[] {
	let entries: ReturnType<typeof list>
	const list = () => readdirSync(join(root, path), { withFileTypes: true })
	try {
		entries = list()
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return [path]
		throw error
	}
	return entries
		.map((entry) => ({ entry, below: `${path}/${entry.name}` }))
		.filter(({ below }) => !ignored(below))
		.toSorted((a, b) => (a.below < b.below ? -1 : 1))
		.flatMap(({ entry, below }) => (entry.isDirectory() ? filesBelow(root, below) : [below]))
}
