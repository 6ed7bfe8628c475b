// A client program that is told what to do: one line of words with tabs in, one line out.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Answer, Client } from './story.ts'

export interface Program {
	readonly command: string
	readonly args: readonly string[]
	readonly env?: Readonly<Record<string, string>>
}

/** A client that hangs is a finding, not a reason to wait for ever. A JVM on a loaded machine has needed a minute for its first answer. */
const ANSWER_MS = 240_000

export function startLineClient(program: Program, environment: NodeJS.ProcessEnv): Client {
	const child = spawn(program.command, [...program.args], {
		env: { ...environment, ...program.env },
		stdio: ['pipe', 'pipe', 'pipe'],
	})
	let errors = ''
	child.stderr.on('data', (chunk: Buffer) => {
		errors = (errors + chunk.toString()).slice(-4_000)
	})
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
	const ended = new Promise<void>((resolve) => {
		child.once('error', (error) => {
			errors += error.message
			resolve()
		})
		child.once('close', () => resolve())
	})
	// Its end is told by the lines that stop coming; this only keeps a broken pipe from being an uncaught error.
	child.stdin.on('error', () => {})
	return {
		async ask(...words) {
			child.stdin.write(`${words.join('\t')}\n`)
			const timer = setTimeout(() => child.kill('SIGKILL'), ANSWER_MS)
			const { value, done } = (await lines.next()) as IteratorResult<string, undefined>
			clearTimeout(timer)
			if (done) throw new Error(`the client ended: ${errors}`)
			return parse(value)
		},
		async close() {
			child.stdin.end()
			const timer = setTimeout(() => child.kill('SIGKILL'), ANSWER_MS)
			await ended
			clearTimeout(timer)
		},
	}
}

function parse(line: string): Answer {
	const [kind, first = '', text = ''] = line.split('\t')
	if (kind === 'ok') return { kind, value: first }
	if (kind === 'error') return { kind, status: Number(first), text }
	throw new Error(`not an answer: ${line}`)
}
