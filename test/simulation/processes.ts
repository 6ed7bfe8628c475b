// More histories than one process makes in a reasonable time: each processor takes a share of them, with a seed of its own.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Result } from './child.ts'

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url))

export interface Asked {
	seed: number
	count: number
	shrink: boolean
	volume: boolean
}

/**
 * Histories in a process of their own, from the sources as node reads them.
 *
 * @param before modules that it loads first
 */
export async function inProcess(
	{ seed, count, shrink, volume }: Asked,
	{ signal, before = [], env = {} }: { signal?: AbortSignal; before?: readonly string[]; env?: Record<string, string> },
): Promise<Result> {
	const loaded = before.flatMap((path) => ['--import', path])
	const asked = [String(seed), String(count), shrink ? '1' : '0', volume ? 'Volume' : 'Secret']
	const child = spawn(process.execPath, ['--conditions=asb-source', ...loaded, CHILD, ...asked], {
		env: { ...process.env, ...env },
		stdio: ['ignore', 'pipe', 'inherit'],
		...(signal && { signal }),
	})
	let text = ''
	child.stdout.on('data', (part: Buffer) => {
		text += part.toString('utf8')
	})
	const code = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject))
	if (code !== 0) throw new Error(`histories of seed ${seed} ended with ${code}`)
	return JSON.parse(text) as Result
}

/** @returns what is wrong, once one of the processes has found something: the others end then */
export async function inProcesses(seed: number, count: number, volume: boolean): Promise<string | undefined> {
	const processes = availableParallelism()
	const share = Math.ceil(count / processes)
	const ended = new AbortController()
	const shares = Array.from({ length: processes }, async (_, i) => {
		const asked = { seed: seed + i, count: share, shrink: true, volume }
		const { failed, histories, story, problem } = await inProcess(asked, { signal: ended.signal })
		if (failed) throw new Error(`ASB_SEED=${seed + i}, after ${histories} histories:\n${story}\n\n${problem}`)
	})
	try {
		await Promise.all(shares)
		return undefined
	} catch (error) {
		return String(error)
	} finally {
		ended.abort()
	}
}
