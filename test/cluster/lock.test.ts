import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { acquireLock, type Holder, readHolder } from './lock.ts'

const POLL_MS = 5
let folder: string
let file: string
const children: ChildProcess[] = []

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'asb-lock-'))
	file = join(folder, 'lock.json')
})
afterEach(() => {
	for (const child of children.splice(0)) child.kill('SIGKILL')
	rmSync(folder, { recursive: true, force: true })
})

const options = { holder: 'a test', token: 'ours', now: Date.now, onWait: () => {}, pollMs: POLL_MS }

/** A process of its own that runs `code` with the lock module at hand. */
function otherProcess(code: string): ChildProcess {
	const module = JSON.stringify(join(import.meta.dirname, 'lock.ts'))
	const program = `const { acquireLock } = await import(${module}); const fs = await import('node:fs'); ${code}`
	const child = spawn(
		process.execPath,
		['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', program],
		{
			stdio: ['pipe', 'pipe', 'inherit'],
		},
	)
	children.push(child)
	return child
}

const lockOptions = (token: string) =>
	`{ file: ${JSON.stringify(file)}, holder: 'another', token: '${token}', now: Date.now, onWait: () => {}, pollMs: ${POLL_MS} }`

const exitOf = (child: ChildProcess) => new Promise<number | null>((resolve) => child.on('exit', resolve))

/** A process that holds the lock until it is ended. */
async function otherHolder(): Promise<ChildProcess> {
	const child = otherProcess(
		`await acquireLock(${lockOptions('theirs')}); console.log('held'); setInterval(() => {}, 1000)`,
	)
	await new Promise((resolve) => child.stdout?.once('data', resolve))
	return child
}

describe('lock', () => {
	it('says who holds it, and is gone after release', async () => {
		const release = await acquireLock({ ...options, file, now: () => Date.UTC(2026, 0, 2, 3, 4, 5) })
		expect(readHolder(file)).toMatchObject({ holder: 'a test', pid: process.pid, since: '2026-01-02T03:04:05.000Z' })
		release()
		expect(readHolder(file)).toBeUndefined()
	})

	it('is entered again by its holder, and released only by the first', async () => {
		const release = await acquireLock({ ...options, file })
		const again = await acquireLock({ ...options, file })
		again()
		expect(readHolder(file)?.token).toBe('ours')
		release()
		expect(readHolder(file)).toBeUndefined()
	})

	it('waits for a living holder and tells who that is', async () => {
		const other = await otherHolder()
		const waiting: Holder[] = []
		const acquired = acquireLock({ ...options, file, onWait: (holder) => waiting.push(holder) })
		await vi.waitFor(() => expect(waiting).toMatchObject([{ holder: 'another', pid: other.pid }]))
		expect(readHolder(file)?.token).toBe('theirs')
		other.kill('SIGKILL')
		;(await acquired)()
	})

	it('is taken over from a holder that was killed', async () => {
		const other = await otherHolder()
		const ended = exitOf(other)
		other.kill('SIGKILL')
		await ended
		expect(readHolder(file)?.token).toBe('theirs')
		const release = await acquireLock({ ...options, file })
		expect(readHolder(file)?.token).toBe('ours')
		release()
	})

	it('is not fooled by a new process with the number of a dead holder', async () => {
		const stale: Holder = { holder: 'dead', pid: process.ppid, started: '1', since: '', token: 'theirs' }
		writeFileSync(file, JSON.stringify(stale))
		const release = await acquireLock({ ...options, file })
		expect(readHolder(file)?.token).toBe('ours')
		release()
	})

	it('lets the processes of a holder in', async () => {
		await otherHolder()
		const release = await acquireLock({ ...options, file, inherited: 'theirs' })
		release()
		expect(readHolder(file)?.token).toBe('theirs')
	})

	it('stops waiting when told to', async () => {
		await otherHolder()
		const stop = new AbortController()
		const acquired = acquireLock({ ...options, file, signal: stop.signal, onWait: () => stop.abort() })
		await expect(acquired).rejects.toThrow(/abort/i)
	})

	it('is held by one process at a time, also when the holders before were killed', { timeout: 30_000 }, async () => {
		const counter = join(folder, 'counter')
		const stale: Holder = { holder: 'dead', pid: 1, started: 'never', since: '', token: 'dead' }
		writeFileSync(file, JSON.stringify(stale))
		writeFileSync(counter, '0')
		// Read, wait, write: without exclusion, updates are lost.
		const code = (token: string) => `for (let round = 0; round < 5; round += 1) {
			const release = await acquireLock(${lockOptions(token)})
			const value = Number(fs.readFileSync(${JSON.stringify(counter)}, 'utf8'))
			await new Promise((resolve) => setTimeout(resolve, 2))
			fs.writeFileSync(${JSON.stringify(counter)}, String(value + 1))
			release()
		}`
		const exits = ['a', 'b', 'c', 'd'].map((token) => exitOf(otherProcess(code(token))))
		expect(await Promise.all(exits)).toEqual([0, 0, 0, 0])
		expect(readFileSync(counter, 'utf8')).toBe('20')
	})
})
