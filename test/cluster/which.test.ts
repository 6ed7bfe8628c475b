import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { which, withSystemFolders } from './which.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'asb-which-')))
const [links, real] = [join(folder, 'links'), join(folder, 'real')]
for (const each of [links, real]) mkdirSync(each)
writeFileSync(join(real, 'tool'), '#!/bin/sh\n', { mode: 0o755 })
writeFileSync(join(real, 'text'), 'not a command')
mkdirSync(join(links, 'tools'))
symlinkSync(join(real, 'tool'), join(links, 'tool'))
symlinkSync(join(real, 'gone'), join(links, 'broken'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('which', () => {
	it('follows links, so that a link is never made to itself', () => {
		expect(which('tool', `${links}:${real}`)).toBe(join(real, 'tool'))
	})

	it.each(['text', 'tools', 'broken', 'absent'])('does not find %s', (name) => {
		expect(which(name, `${links}:${real}:/no/such/folder`)).toBeUndefined()
	})
})

it('adds the folders of system commands once, at the end', () => {
	const path = withSystemFolders('/usr/bin:/usr/sbin')
	expect(path).toBe('/usr/bin:/usr/sbin:/usr/local/sbin:/sbin')
	expect(withSystemFolders(path)).toBe(path)
})
