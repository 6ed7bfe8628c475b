// A process of its own, so that its memory and its CPU are its own, bundled as the image bundles it: types that are stripped at
// start would cost memory that no pod pays.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { bundle } from '../images/bundle.ts'

export interface Child {
	/** Sends a line and resolves to the JSON of the next line that comes back. */
	ask<T>(line: string): Promise<T>
	/** Closes its input, which asks it to stop, and waits for its end. */
	end(): Promise<void>
}

export interface Bundled {
	readonly file: string
	remove(): void
}

export async function bundled(entry: string): Promise<Bundled> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-bench-'))
	const file = join(folder, 'main.mjs')
	await bundle(join(import.meta.dirname, entry), file)
	return { file, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Lines of its log to show when it ends by itself. */
const LAST_LINES = 20

/** Starts one as the image does, with further flags of node. */
export function startChild({ file }: Bundled, flags: readonly string[] = []): Child {
	const child: ChildProcess = spawn(process.execPath, [...flags, '--enable-source-maps', file], {
		stdio: ['pipe', 'pipe', 'pipe'],
		env: { ...process.env, NODE_ENV: 'production' },
	})
	const { stdin, stdout, stderr } = child
	if (!stdin || !stdout || !stderr) throw new Error('no pipes to the child')
	const answers: Interface = createInterface({ input: stdout })
	const waiting: PromiseWithResolvers<string>[] = []
	answers.on('line', (line) => waiting.shift()?.resolve(line))
	const log: string[] = []
	createInterface({ input: stderr }).on('line', (line) => {
		log.push(line)
		if (log.length > LAST_LINES) log.shift()
	})
	const ended = Promise.withResolvers<void>()
	child.on('close', (code) => {
		const error = new Error(`the child ended with ${code}:\n${log.join('\n')}`)
		for (const each of waiting) each.reject(error)
		if (code === 0) ended.resolve()
		else ended.reject(error)
	})
	// Whoever asks next is told.
	ended.promise.catch(() => {})
	stdin.on('error', () => {})
	return {
		async ask<T>(line: string): Promise<T> {
			const answer = Promise.withResolvers<string>()
			waiting.push(answer)
			stdin.write(`${line}\n`)
			if (child.exitCode !== null) await ended.promise
			return JSON.parse(await answer.promise) as T
		},
		async end() {
			stdin.end()
			await ended.promise
		},
	}
}
