import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { changedSysctls } from './engine/machine.ts'
import { descendantsOf, endProcess, identify, isAlive, processesWith } from './process.ts'
import { clockText, createProgress } from './progress.ts'
import { run, tryRun } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'asb-run-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('run', () => {
	it('answers standard output alone', async () => {
		expect(await run('sh', ['-c', 'echo out; echo err >&2'])).toBe('out\n')
	})

	it('fails with the last lines and the place of the log', async () => {
		const log = join(folder, 'some', 'log')
		const failing = run('sh', ['-c', 'for i in $(seq 40); do echo line $i; done; exit 3'], { log })
		await expect(failing).rejects.toThrow(/exit 3\nline 29\n[\s\S]*line 40\nwhole log: .*log/)
		expect(readFileSync(log, 'utf8')).toContain('line 1\n')
	})

	it('says that a command is not installed', async () => {
		await expect(run('no-such-command-here', [])).rejects.toThrow('no-such-command-here is not installed')
	})

	it('ends a command that takes too long, or when told to', async () => {
		await expect(run('sleep', ['60'], { timeoutMs: 50 })).rejects.toThrow(/no end after/)
		const stop = new AbortController()
		const running = run('sleep', ['60'], { signal: stop.signal })
		stop.abort(new Error('enough'))
		await expect(running).rejects.toThrow('stopped')
	})

	it('takes "no" for an answer', async () => {
		expect(await tryRun('false', [])).toBeUndefined()
	})
})

describe('processes', () => {
	it('are told apart from later ones with the same number', async () => {
		const child = spawn('sleep', ['60'], { stdio: 'ignore' })
		const id = identify(child.pid ?? 0)
		expect(isAlive(id)).toBe(true)
		expect(isAlive({ ...id, started: '1' })).toBe(process.platform !== 'linux')
		await endProcess(id, 5_000)
		expect(isAlive(id)).toBe(false)
	})

	it.skipIf(process.platform !== 'linux')('are found below others, at any depth', async () => {
		const child = spawn('sh', ['-c', 'sh -c "sleep 60 & echo ready; wait" ; true'], {
			stdio: ['ignore', 'pipe', 'ignore'],
		})
		await new Promise((resolve) => child.stdout.once('data', resolve))
		const id = identify(child.pid ?? 0)
		const below = descendantsOf([id])
		expect(below).toHaveLength(2)
		for (const each of [id, ...below]) await endProcess(each, 0)
		expect(below.filter(isAlive)).toEqual([])
	})

	it.skipIf(process.platform !== 'linux')('that ignore a request to end are killed', async () => {
		const mark = `asb-mark-${process.pid}`
		const child = spawn('sh', ['-c', `trap '' TERM; echo ready; while :; do sleep 0.1; done # ${mark}`], {
			stdio: ['ignore', 'pipe', 'ignore'],
		})
		await new Promise((resolve) => child.stdout.once('data', resolve))
		const found = processesWith(mark)
		// A shell that is about to start `sleep` shows for a moment under the same name.
		expect(found.map(({ pid }) => pid)).toContain(child.pid)
		for (const id of found) await endProcess(id, 200)
		await vi.waitFor(() => expect(processesWith(mark)).toEqual([]))
	})
})

describe('progress', () => {
	it('prints steps with times, nested ones indented', async () => {
		let time = 0
		const lines: string[] = []
		const progress = createProgress({ write: (line) => lines.push(line), now: () => time })
		await progress.step('outer', async () => {
			time += 65_000
			await progress.step('inner', async (say) => {
				say('half')
				time += 1_500
			})
		})
		expect(lines).toEqual([
			'[00:00] outer …',
			'[01:05]   inner …',
			'[01:05]     half',
			'[01:06]   inner: done in 1.5 s',
			'[01:06] outer: done in 1 min 7 s',
		])
	})

	it('names a step that failed and passes the error on', async () => {
		const lines: string[] = []
		const progress = createProgress({ write: (line) => lines.push(line) })
		await expect(progress.step('x', () => Promise.reject(new Error('why')))).rejects.toThrow('why')
		expect(lines.at(-1)).toMatch(/x: FAILED after/)
	})

	it('has a clock that goes on after an hour', () => {
		expect(clockText(3_725_000)).toBe('62:05')
	})
})

describe('settings of the machine', () => {
	it('are put back when they differ, and only then', () => {
		const before = { 'kernel.panic': '0', 'vm.overcommit_memory': '0', 'net.bridge.x': '0' }
		expect(changedSysctls(before, { 'kernel.panic': '10', 'vm.overcommit_memory': '0', other: '1' })).toEqual([
			['kernel.panic', '0'],
		])
	})
})
