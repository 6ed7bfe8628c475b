import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MANIFEST_FILE, type Manifest, serializeManifest } from 'purista-azure-mounted-secret-store/manifest'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Content } from '../../engine/decode.ts'
import type { Change, Holding } from '../../engine/holding.ts'
import { removeGenerations } from '../mount/atomic-writer.ts'
import { runGit, whyNotOurs } from './claim.ts'
import { createFolderDestination } from './folder.ts'

const UID = 'local:default/payments'
const signal = new AbortController().signal
const manifestOf = (revision: number, uid = UID): Manifest => ({
	schema: 1,
	revision,
	binding: { namespace: 'default', name: 'payments', uid },
	vault: 'https://payments.vault.azure.net',
	selectors: [],
	secrets: {},
})

let parent: string
let path: string
beforeEach(async () => {
	parent = await mkdtemp(join(tmpdir(), 'asb-folder-'))
	path = join(parent, 'secrets')
})
afterEach(() => rm(parent, { recursive: true, force: true }))

const destination = () => createFolderDestination({ path, clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5) } })
const change = (on: Holding | undefined, set: Record<string, Content>, drop: string[] = [], revision = 1): Change => ({
	set: new Map(Object.entries(set)),
	drop,
	manifest: manifestOf(revision),
	on,
	create: true,
})
async function write(given: Change): Promise<Holding> {
	const answer = await destination().write(given, signal)
	if (answer.kind !== 'written') throw new Error(`not written: ${answer.kind}`)
	return answer.holding
}
const text = (name: string) => readFile(join(path, name), 'utf8')
const visible = async () => (await readdir(path)).filter((name) => !name.startsWith('..')).toSorted()

describe('a folder as a place to deliver to', () => {
	it('holds exact bytes and the manifest, for its owner alone', async () => {
		await write(change(undefined, { db: 'päss', key: new Uint8Array([0, 255, 10]) }))
		expect(await text('db')).toBe('päss')
		expect([...(await readFile(join(path, 'key')))]).toEqual([0, 255, 10])
		expect(await text(MANIFEST_FILE)).toBe(serializeManifest(manifestOf(1)))
		const modeOf = async (name: string) => (await stat(join(path, name))).mode & 0o777
		expect(await Promise.all(['', '..data', 'db', 'key', MANIFEST_FILE].map(modeOf))).toEqual([
			0o700, 0o700, 0o600, 0o600, 0o600,
		])
	})

	it('is for its owner alone also where it was there before', async () => {
		await mkdir(path, { mode: 0o755 })
		await write(change(undefined, { a: 'a1' }))
		expect((await stat(path)).mode & 0o777).toBe(0o700)
	})

	it('changes as a whole: the next generation has what stays, what is new, and not what goes', async () => {
		const first = await write(change(undefined, { a: 'a1', b: 'b1', c: 'c1' }))
		const before = await readlink(join(path, '..data'))
		await write(change(first, { b: 'b2' }, ['c'], 2))
		expect(await visible()).toEqual([MANIFEST_FILE, 'a', 'b'])
		expect([await text('a'), await text('b')]).toEqual(['a1', 'b2'])
		expect(await readlink(join(path, '..data'))).not.toBe(before)
		expect((await readdir(path)).filter((name) => name.startsWith('..2'))).toHaveLength(1)
	})

	it('reads back what is there, with the bytes', async () => {
		await write(change(undefined, { a: 'a1' }))
		const answer = await destination().readBack(signal)
		if (answer.kind !== 'ours') throw new Error(answer.kind)
		expect(answer.holding.files.get('a')).toEqual({ bytes: 2, foreign: undefined })
		expect(Buffer.from(answer.holding.content?.('a') ?? '').toString()).toBe('a1')
		expect(answer.holding.manifest).toEqual(manifestOf(1))
	})

	it('sees a file that somebody edited in place', async () => {
		const first = await write(change(undefined, { a: 'a1', b: 'b1' }))
		await writeFile(join(path, 'a'), 'mine')
		const answer = await destination().readBack(signal)
		if (answer.kind !== 'ours') throw new Error(answer.kind)
		expect(answer.holding.files.get('a')?.foreign).toContain('somebody')
		expect(answer.holding.files.get('b')?.foreign).toBeUndefined()
		await write(change(first, { a: 'a1' }, [], 2))
		expect(await text('a')).toBe('a1')
	})

	it('sees and mends a file that an editor put in place of the link', async () => {
		const first = await write(change(undefined, { a: 'a1' }))
		await writeFile(join(path, '.a.swp'), 'mine')
		await rename(join(path, '.a.swp'), join(path, 'a'))
		const answer = await destination().readBack(signal)
		if (answer.kind !== 'ours') throw new Error(answer.kind)
		expect(answer.holding.files.get('a')?.foreign).toContain('somebody')
		await write(change(first, { a: 'a2' }, [], 2))
		expect(await text('a')).toBe('a2')
		expect(await readlink(join(path, 'a'))).toBe('..data/a')
	})

	it('loses a race against another writer without changing anything', async () => {
		const first = await write(change(undefined, { a: 'a1' }))
		await write(change(first, { a: 'a2' }, [], 2))
		expect(await destination().write(change(first, { a: 'a3' }, [], 2), signal)).toEqual({ kind: 'lostRace' })
		expect(await text('a')).toBe('a2')
		expect((await readdir(path)).filter((name) => name.startsWith('..2'))).toHaveLength(1)
	})

	it('clears away what a writer that died left behind', async () => {
		const first = await write(change(undefined, { a: 'a1' }))
		await symlink('..nowhere', join(path, '..data_tmp'))
		await mkdir(join(path, '..2026_01_01_00_00_00.dead'))
		await write(change(first, { a: 'a2' }, [], 2))
		expect(await text('a')).toBe('a2')
		expect((await readdir(path)).filter((name) => name.startsWith('..'))).toHaveLength(2)
	})

	it('takes its files away at the end, and nothing of others', async () => {
		await write(change(undefined, { a: 'a1' }))
		await writeFile(join(path, 'notes.txt'), 'mine')
		await removeGenerations(path)
		expect(await readdir(path)).toEqual(['notes.txt'])
		await rm(join(path, 'notes.txt'))
		await write(change(undefined, { a: 'a1' }))
		await removeGenerations(path)
		expect(await readdir(parent)).toEqual([])
		await removeGenerations(path)
	})

	it('asks before the first bytes, and writes nothing when that is refused', async () => {
		const asked: string[][] = []
		const beforeFirst = async ({ set }: Change) => {
			asked.push([...set.keys()])
			if (asked.length === 1) throw new Error('no')
		}
		const careful = createFolderDestination({ path, clock: { now: Date.now }, beforeFirst })
		await expect(careful.write(change(undefined, { a: 'a1' }), signal)).rejects.toThrow('no')
		expect(await readdir(parent)).toEqual([])
		await careful.write(change(undefined, { a: 'a1' }), signal)
		const answer = await careful.readBack(signal)
		if (answer.kind !== 'ours') throw new Error(answer.kind)
		await careful.write(change(answer.holding, { a: 'a2' }, [], 2), signal)
		expect(asked).toEqual([['a'], ['a']])
	})
})

describe('a folder that may be written to', () => {
	const why = () => whyNotOurs(path, UID, runGit)

	it('is not there, or empty, or left by an earlier run for the same binding', async () => {
		expect(await why()).toBeUndefined()
		await mkdir(path)
		expect(await why()).toBeUndefined()
		await write(change(undefined, { a: 'a1' }))
		expect(await why()).toBeUndefined()
	})

	it.each([
		['to a folder beside it', '../notes'],
		['to a folder in it of another name', 'notes'],
		['to a generation that is a link', '..2026_01_02_03_04_05.abc'],
	])('is none whose link leads %s, whatever manifest lies there; nothing there is touched', async (_, target) => {
		const notes = target.startsWith('../') ? join(parent, 'notes') : join(path, 'notes')
		await mkdir(notes, { recursive: true })
		await mkdir(path, { recursive: true })
		await writeFile(join(notes, 'diary'), 'mine')
		await writeFile(join(notes, MANIFEST_FILE), serializeManifest(manifestOf(1)))
		if (target.startsWith('..2')) await symlink('notes', join(path, target))
		await symlink(target, join(path, '..data'))
		expect(await why()).toContain('was not made by this program')
		await expect(destination().readBack(signal)).rejects.toThrow('was not made by this program')
		await expect(destination().write(change(undefined, { a: 'a1' }), signal)).rejects.toThrow('was not made')
		expect(await readdir(notes)).toEqual([MANIFEST_FILE, 'diary'])
	})

	it('is none that is reached by a link, and git is asked where the path really leads', async () => {
		const real = join(parent, 'tree', 'real')
		await mkdir(real, { recursive: true })
		execFileSync('git', ['init', '--quiet', join(parent, 'tree')])
		await symlink(real, join(parent, 'link'))
		expect(await whyNotOurs(`${join(parent, 'link')}/`, UID, runGit)).toContain('is no folder')
		expect(await whyNotOurs(join(parent, 'link', 'secrets'), UID, runGit)).toContain('does not ignore all of it')
	})

	it('is none of which git ignores a part alone', async () => {
		execFileSync('git', ['init', '--quiet', parent])
		await writeFile(join(parent, '.gitignore'), '/secrets/*\n!/secrets/.*\n')
		expect(await why()).toContain('does not ignore all of it')
		await writeFile(join(parent, '.gitignore'), '/secrets/\n')
		expect(await why()).toBeUndefined()
	})

	it('is none with files of somebody, or of another binding', async () => {
		await write(change(undefined, { a: 'a1' }))
		expect(await whyNotOurs(path, 'local:default/other', runGit)).toContain('of the binding default/payments')
		await rm(path, { recursive: true })
		await mkdir(path)
		await writeFile(join(path, 'thesis.tex'), '')
		expect(await why()).toContain('it has thesis.tex')
		expect(await whyNotOurs(join(path, 'thesis.tex'), UID, runGit)).toContain('no folder')
	})

	it('is none that git would commit; the printed line mends that', async () => {
		execFileSync('git', ['init', '--quiet', parent])
		const problem = (await why()) ?? ''
		expect(problem).toContain('does not ignore all of it')
		const line = problem.split('\n').at(-1) ?? ''
		expect(line).toMatch(/^echo '\/secrets\/' >> /)
		execFileSync('sh', ['-c', line])
		expect(await why()).toBeUndefined()
		// Once committed it is not ignored, whatever .gitignore says.
		await mkdir(path)
		await writeFile(join(path, 'x'), '')
		execFileSync('git', ['-C', parent, 'add', '--force', 'secrets/x'])
		await rm(path, { recursive: true })
		expect(await why()).toContain('does not ignore all of it')
	})

	it('is none at the root of a work tree', async () => {
		execFileSync('git', ['init', '--quiet', parent])
		path = parent
		await rm(join(parent, '.git', 'hooks'), { recursive: true, force: true })
		expect(await whyNotOurs(parent, UID, runGit)).toContain('is not empty')
	})

	it('is refused when git cannot be asked', async () => {
		await mkdir(join(parent, '.git'))
		expect(await whyNotOurs(path, UID, async () => undefined)).toContain('does not ignore all of it')
	})
})
