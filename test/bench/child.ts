// Processes of their own, so that their memory and their CPU are their own. The operator is bundled as its image bundles it: types
// that are stripped at start would cost memory that no pod pays.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
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

/** What node is told to run. */
export interface Program {
	readonly args: readonly string[]
	remove(): void
}

/** What the image of the operator, the last one in the Dockerfile, gives node before the program. */
function imageFlags(): string[] {
	const dockerfile = readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8')
	const entryPoint = [...dockerfile.matchAll(/^ENTRYPOINT (.+)$/gm)].at(-1)?.[1] ?? ''
	const [, ...args] = JSON.parse(entryPoint) as string[]
	return args.slice(0, -1)
}

/** A file of this folder as the image would have it, with further flags of node. */
export const bundled = (entry: string, flags: readonly string[]): Promise<Program> =>
	bundledAs(join('test/bench', entry), flags)

/** A file of the repository as the image would have it, with further flags of node. */
export async function bundledAs(entry: string, flags: readonly string[] = []): Promise<Program> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-bench-'))
	const file = join(folder, 'main.mjs')
	await bundle(join(import.meta.dirname, '../..', entry), file)
	const remove = () => rmSync(folder, { recursive: true, force: true })
	return { args: [...imageFlags(), ...flags, file], remove }
}

export const fromSource = (entry: string): Program => ({
	args: ['--conditions=asb-source', join(import.meta.dirname, entry)],
	remove() {},
})

/** Of its log to show when it ends by itself: lines, and characters of a line, for a bundle has long ones. */
const LAST_LINES = 20
const LINE_LENGTH = 300

export function startChild({ args }: Program): Child {
	const child: ChildProcess = spawn(process.execPath, args, {
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
		log.push(line.slice(0, LINE_LENGTH))
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
