import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

export interface RunOptions {
	readonly cwd?: string
	/** The whole environment of the child; default is ours. */
	readonly env?: Readonly<Record<string, string | undefined>>
	/** Everything the child prints is appended to this file. */
	readonly log?: string
	readonly input?: string
	/** Milliseconds until the child is ended. */
	readonly timeoutMs?: number
	readonly signal?: AbortSignal | undefined
	/** Runs at low priority: a build of minutes must not make the machine unusable. */
	readonly nice?: boolean
}

/** A command ended badly. The message has its last lines and where the rest is. */
export class CommandFailed extends Error {
	readonly code: number | null
	readonly output: string
	constructor(message: string, code: number | null, output: string) {
		super(message)
		this.name = 'CommandFailed'
		this.code = code
		this.output = output
	}
}

/** Output kept in memory per stream: enough for any answer we parse, and for the end of a build log. */
const KEPT = 4 * 1024 * 1024
const TAIL_LINES = 12
/** A child that was asked to end gets this long before it is killed. */
const KILL_AFTER_MS = 10_000

/** Runs a command and answers its standard output. Rejects with `CommandFailed`. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
	const [file, argv] = options.nice ? ['nice', ['-n', '5', command, ...args]] : [command, [...args]]
	const { log, timeoutMs, signal } = options
	if (log) {
		mkdirSync(dirname(log), { recursive: true })
		appendFileSync(log, `$ ${command} ${args.join(' ')}\n`)
	}
	return new Promise((resolve, reject) => {
		if (signal?.aborted) return reject(signal.reason as Error)
		const child = spawn(file, argv, {
			cwd: options.cwd,
			env: options.env ?? process.env,
			stdio: ['pipe', 'pipe', 'pipe'],
		})
		let stdout = ''
		let all = ''
		let reason = ''
		let killer: NodeJS.Timeout | undefined
		const end = (why: string) => {
			reason ||= why
			child.kill('SIGTERM')
			killer ??= setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
		}
		const timer = timeoutMs
			? setTimeout(() => end(`no end after ${Math.round(timeoutMs / 1000)} s`), timeoutMs)
			: undefined
		const onAbort = () => end('stopped')
		signal?.addEventListener('abort', onAbort, { once: true })
		const take = (chunk: Buffer, isOut: boolean) => {
			const text = chunk.toString()
			if (isOut) stdout = (stdout + text).slice(-KEPT)
			all = (all + text).slice(-KEPT)
			if (log) appendFileSync(log, text)
		}
		child.stdout.on('data', (chunk: Buffer) => take(chunk, true))
		child.stderr.on('data', (chunk: Buffer) => take(chunk, false))
		const finish = (code: number | null, problem: string | undefined) => {
			clearTimeout(timer)
			clearTimeout(killer)
			signal?.removeEventListener('abort', onAbort)
			if (problem === undefined) return resolve(stdout)
			const tail = all.trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
			const where = log ? `\nwhole log: ${log}` : ''
			reject(
				new CommandFailed(`${command} ${args.slice(0, 4).join(' ')}: ${reason || problem}\n${tail}${where}`, code, all),
			)
		}
		child.on('error', (error: NodeJS.ErrnoException) =>
			finish(null, error.code === 'ENOENT' ? `${file} is not installed` : error.message),
		)
		child.on('close', (code, signalName) =>
			finish(code, code === 0 && !reason ? undefined : signalName ? `ended by ${signalName}` : `exit ${code}`),
		)
		// A child that ends without reading its input is judged by its exit code alone.
		child.stdin.on('error', () => {})
		child.stdin.end(options.input ?? '')
	})
}

/** Like `run`, but a failure is `undefined`: for questions where "no" is an answer. */
export async function tryRun(
	command: string,
	args: readonly string[],
	options: RunOptions = {},
): Promise<string | undefined> {
	try {
		return await run(command, args, options)
	} catch (error) {
		if (error instanceof CommandFailed) return undefined
		throw error
	}
}
