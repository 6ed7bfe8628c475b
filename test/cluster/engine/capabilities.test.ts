import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { missingCapabilities, runtimeWrapper } from './capabilities.ts'

describe('missing capabilities', () => {
	it.each([
		['000001ffffffffff', []],
		['000001fffeffffff', ['CAP_SYS_RESOURCE']],
		['000001fffffffffe', ['CAP_CHOWN']],
		['000000ffffffffff', ['CAP_CHECKPOINT_RESTORE']],
	])('of a bounding set %s', (hex, missing) => {
		expect(missingCapabilities(`Name:\tnode\nCapEff:\t0000000000000000\nCapBnd:\t${hex}\nCapAmb:\t0\n`)).toEqual(
			missing,
		)
	})

	it('are none where it cannot be known', () => {
		expect(missingCapabilities('')).toEqual([])
	})
})

describe.skipIf(process.platform !== 'linux')('runtime wrapper', () => {
	let folder: string
	let wrapper: string
	const all = ['CAP_SYS_RESOURCE', 'CAP_CHOWN', 'CAP_SYS_RESOURCE', 'CAP_KILL', 'CAP_SYS_RESOURCE']
	const request = JSON.stringify({ process: { capabilities: { bounding: all, effective: ['CAP_SYS_RESOURCE'] } } })

	beforeEach(() => {
		folder = mkdtempSync(join(tmpdir(), 'asb-wrapper-'))
		const runc = join(folder, 'runc')
		writeFileSync(runc, '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 })
		wrapper = join(folder, 'wrapper')
		writeFileSync(wrapper, runtimeWrapper(['CAP_SYS_RESOURCE'], runc), { mode: 0o755 })
	})
	afterEach(() => rmSync(folder, { recursive: true, force: true }))

	const bounding = (file: string) =>
		(
			JSON.parse(readFileSync(file, 'utf8')) as {
				process: { capabilities: { bounding: string[]; effective: string[] } }
			}
		).process.capabilities

	it('takes them out of a bundle, wherever they stand, and passes the arguments on', () => {
		const bundle = join(folder, 'a bundle')
		mkdirSync(bundle)
		writeFileSync(join(bundle, 'config.json'), request)
		const args = ['--root', '/x', 'create', '--bundle', bundle, 'name with space']
		expect(execFileSync(wrapper, args, { encoding: 'utf8' }).trimEnd().split('\n')).toEqual(args)
		expect(bounding(join(bundle, 'config.json'))).toEqual({ bounding: ['CAP_CHOWN', 'CAP_KILL'], effective: [] })
	})

	it('takes them out of an exec request', () => {
		const file = join(folder, 'process.json')
		writeFileSync(file, request)
		execFileSync(wrapper, ['exec', '--process', file, 'id'])
		expect(bounding(file).bounding).toEqual(['CAP_CHOWN', 'CAP_KILL'])
	})

	it('changes nothing on a machine that has them all', () => {
		const file = join(folder, 'process.json')
		writeFileSync(file, request)
		writeFileSync(wrapper, runtimeWrapper([], join(folder, 'runc')), { mode: 0o755 })
		execFileSync(wrapper, ['exec', '--process', file, 'id'])
		expect(readFileSync(file, 'utf8')).toBe(request)
	})
})
