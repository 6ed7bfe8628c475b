import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inputsKey, type Target } from './inputs.ts'

const ROOT = join(import.meta.dirname, '../..')
const TARGETS: readonly Target[] = ['operator', 'emulator', 'service']

describe('the key of an image', () => {
	let root: string
	const keys = (more = {}) => TARGETS.map((target) => inputsKey(root, target, more))
	/** The targets whose key changes with this file. */
	const changedBy = (file: string) => {
		const before = keys()
		mkdirSync(dirname(join(root, file)), { recursive: true })
		writeFileSync(join(root, file), `// ${Math.random()}\n`)
		const after = keys()
		return TARGETS.filter((_target, index) => before[index] !== after[index])
	}
	beforeAll(() => {
		root = mkdtempSync(join(tmpdir(), 'asb-inputs-'))
		const copy = (path: string) =>
			cpSync(join(ROOT, path), join(root, path), {
				recursive: true,
				filter: (source) => !source.includes('node_modules') && !source.endsWith('/dist'),
			})
		for (const path of [
			'Dockerfile',
			'.dockerignore',
			'package.json',
			'package-lock.json',
			'.npmrc',
			'tsconfig.json',
			'operator',
			'runtime-store',
		])
			copy(path)
		for (const path of ['apidoc', 'emulator', 'service', 'stubs', 'images']) copy(`test/${path}`)
	})
	afterAll(() => rmSync(root, { recursive: true, force: true }))

	it('stays when nothing changes, and differs between build arguments', () => {
		expect(keys()).toEqual(keys())
		expect(keys({ base: 'other' })).not.toEqual(keys())
	})
	it.each<[string, readonly Target[]]>([
		['operator/src/main.ts', ['operator']],
		['runtime-store/src/manifest/schema.ts', ['operator', 'service']],
		['test/emulator/src/cli.ts', ['emulator']],
		['test/service/src/new.ts', ['service']],
		['package-lock.json', TARGETS],
		['Dockerfile', TARGETS],
		['test/images/bundle.ts', TARGETS],
		['operator/src/main.test.ts', []],
		['operator/src/process/testing/fake-clock.ts', []],
		['test/images/install.ts', []],
	])('of %s: changes those of %j', (file, targets) => {
		expect(changedBy(file)).toEqual(targets)
	})
})
