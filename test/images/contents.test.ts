import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { imageFiles, programs, weigh } from './contents.ts'

let folder: string
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), 'asb-contents-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
/** An archive made by the machine's own tar. A value is a file's content; one that starts with `->` a symbolic link. */
function tar(files: Record<string, string | Buffer>, executable: readonly string[] = [], format = 'pax'): Buffer {
	const root = join(folder, String(count++))
	mkdirSync(root)
	for (const [name, content] of Object.entries(files)) {
		mkdirSync(dirname(join(root, name)), { recursive: true })
		if (typeof content === 'string' && content.startsWith('->')) symlinkSync(content.slice(2), join(root, name))
		else writeFileSync(join(root, name), content)
	}
	for (const name of executable) chmodSync(join(root, name), 0o755)
	execFileSync('tar', [`--format=${format}`, '-cf', `${root}.tar`, '-C', root, '.'])
	return readFileSync(`${root}.tar`)
}
const manifest = (...layers: string[]) => JSON.stringify([{ Layers: layers }])
const LONG = `${'a'.repeat(90)}/${'b'.repeat(90)}`

describe('files of an image', () => {
	it.each(['pax', 'gnu', 'ustar'])(
		'are found in the layers of an old engine, long names in format %s too',
		(format) => {
			const layer = tar({ 'usr/local/bin/node': 'node', [LONG]: '12' }, ['usr/local/bin/node'], format)
			expect(imageFiles(tar({ 'manifest.json': manifest('1/layer.tar'), '1/layer.tar': layer }))).toEqual(
				expect.arrayContaining([
					{ path: '/usr/local/bin/node', bytes: 4, executable: true },
					{ path: `/${LONG}`, bytes: 2, executable: false },
				]),
			)
		},
	)
	it('are found in compressed blobs of a new engine', () => {
		const blob = gzipSync(tar({ 'app/main.mjs': '123' }))
		expect(imageFiles(tar({ 'manifest.json': manifest('blobs/sha256/0'), 'blobs/sha256/0': blob }))).toEqual([
			{ path: '/app/main.mjs', bytes: 3, executable: false },
		])
	})
	it('of a layer that is a link to an equal one are found', () => {
		const archive = tar({
			'manifest.json': manifest('1/layer.tar', '2/layer.tar'),
			'1/layer.tar': tar({ a: '1' }),
			'2/layer.tar': '->../1/layer.tar',
		})
		expect(imageFiles(archive)).toHaveLength(1)
	})
	it('that an upper layer replaces or deletes are counted as a container sees them', () => {
		const archive = tar({
			'manifest.json': manifest('1/layer.tar', '2/layer.tar'),
			'1/layer.tar': tar({ 'bin/sh': 'shell', 'opt/a': '1', 'opt/b': '1', kept: '1' }),
			'2/layer.tar': tar({ 'bin/.wh.sh': '', 'opt/.wh..wh..opq': '', kept: '12' }),
		})
		expect(imageFiles(archive)).toEqual([{ path: '/kept', bytes: 2, executable: false }])
	})
	it('are not made up when the archive is something else', () => {
		expect(() => imageFiles(tar({ a: '1' }))).toThrow('it has no manifest.json')
		expect(() => imageFiles(tar({ 'manifest.json': manifest('1/layer.tar') }))).toThrow('lacks its layer')
	})
})

describe('what is in them', () => {
	const file = (path: string, bytes: number, executable = false) => ({ path, bytes, executable })
	const files = [
		file('/usr/local/bin/node', 100, true),
		file('/lib/x86_64-linux-gnu/libc.so.6', 10, true),
		file('/lib64/ld-linux-x86-64.so.2', 5, true),
		file('/app/main.mjs', 3),
		file('/etc/passwd', 1),
	]
	it('is weighed: node, its libraries, and what we add', () => {
		expect(weigh(files)).toEqual({ node: 100, libraries: 15, over: 4 })
	})
	it('names a program under whatever name, and one that only looks like a library', () => {
		expect(programs(files)).toEqual(['/usr/local/bin/node'])
		expect(programs([...files, file('/lib/innocent', 1, true), file('/opt/x.so', 1, true)])).toEqual([
			...['/lib/innocent', '/opt/x.so', '/usr/local/bin/node'],
		])
	})
})
