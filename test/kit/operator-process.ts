// Starts and kills operators as processes of their own.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Settings } from '../bench/child.ts'

export interface ChildOptions {
	/** URL of a gateway (see gateway.ts): the process gets no credentials */
	server: string
	/** of the lease */
	namespace: string
	namespaces: readonly string[]
	identity: string
	/** how many times faster durations pass, for the work and for the lease */
	times: number
	leaseTimes: number
	emulator: { port: number; caPem: string }
}

export interface OperatorProcess {
	readonly identity: string
	readonly pid: number | undefined
	/** every line it printed, in order; shared by processes when the caller says so */
	readonly logs: string[]
	/** resolves when it leads and has seen all bindings, rejects when it ends before */
	readonly ready: Promise<void>
	readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
	readonly running: boolean
	/** SIGKILL: it does not get to say or write anything more. Resolves when it is gone. */
	kill(): Promise<void>
	/** SIGTERM. Resolves to its exit code. */
	stop(): Promise<number | null>
}

const ENTRY = join(import.meta.dirname, 'operator-child.ts')

/** @param started how node is started, for tests of memory; default: as it is */
export function startOperatorProcess(
	options: ChildOptions,
	logs: string[] = [],
	started: Settings = { flags: [], env: {} },
): OperatorProcess {
	const child: ChildProcess = spawn(process.execPath, [...started.flags, '--conditions=asb-source', ENTRY], {
		stdio: ['pipe', 'pipe', 'pipe'],
		env: { ...process.env, ...started.env },
	})
	const ready = Promise.withResolvers<void>()
	const exit = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>()
	// Whoever does not wait for it must not be ended by it.
	ready.promise.catch(() => {})
	const last: string[] = []
	const note = (line: string) => {
		logs.push(line)
		last.push(line)
		if (last.length > 10) last.shift()
		if (line.includes('"msg":"ready"')) ready.resolve()
	}
	for (const stream of [child.stdout, child.stderr]) if (stream) createInterface({ input: stream }).on('line', note)
	// It may be gone before it has read everything.
	child.stdin?.on('error', () => {})
	child.stdin?.write(`${JSON.stringify(options)}\n`)
	child.on('error', ready.reject)
	child.on('close', (code, signal) => {
		exit.resolve({ code, signal })
		ready.reject(new Error(`the operator ended (${signal ?? code}):\n${last.join('\n')}`))
	})
	const isRunning = () => child.exitCode === null && child.signalCode === null
	return {
		identity: options.identity,
		pid: child.pid,
		logs,
		ready: ready.promise,
		exit: exit.promise,
		get running() {
			return isRunning()
		},
		async kill() {
			if (isRunning()) child.kill('SIGKILL')
			await exit.promise
		},
		async stop() {
			if (isRunning()) child.kill('SIGTERM')
			return (await exit.promise).code
		},
	}
}
