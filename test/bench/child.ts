// Processes of their own, so that their memory and their CPU are their own. The operator is bundled as its image bundles it: types
// that are stripped at start would cost memory that no pod pays.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { parse } from 'yaml'
import { bundle } from '../images/bundle.ts'

export interface Child {
	/** Sends a line and resolves to the JSON of the next line that comes back. */
	ask<T>(line: string): Promise<T>
	/** resolves or rejects when it has ended, asked to or not */
	readonly ended: Promise<void>
	/** Closes its input, which asks it to stop, and waits for its end. */
	end(): Promise<void>
}

/** What node is told to run. */
export interface Program {
	readonly args: readonly string[]
	/** beside what every process has */
	readonly env?: Readonly<Record<string, string>> | undefined
	remove(): void
}

/** Of the image. The node role has a command of its own. */
export type Role = 'operator' | 'node'

const fileOf = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')

/** What the image of the operator, the last one in the Dockerfile, gives node before the program, and the environment that is its own. */
export function imageSettings(): Settings {
	const stage =
		fileOf('Dockerfile')
			.split(/^FROM /m)
			.at(-1) ?? ''
	const of = (instruction: string) => new RegExp(`^${instruction} (.+)$`, 'm').exec(stage)?.[1] ?? ''
	const [, ...args] = JSON.parse(of('ENTRYPOINT')) as string[]
	const env = of('ENV')
		.split(' ')
		.map((each) => each.split('='))
	return { flags: args.slice(0, -1), env: Object.fromEntries(env) as Record<string, string> }
}

export interface Settings {
	readonly flags: readonly string[]
	readonly env: Readonly<Record<string, string>>
}

interface NodeContainer {
	readonly command: readonly string[]
	readonly env: readonly { readonly name: string; readonly value?: string }[]
}

/** What the DaemonSet gives node before the program, and what of the environment is the same on each node. */
function nodeRoleSettings(): Settings {
	const set = parse(fileOf('deploy/kustomize/node/daemonset.yaml')) as {
		spec: { template: { spec: { containers: readonly [NodeContainer] } } }
	}
	const [{ command, env }] = set.spec.template.spec.containers
	const fixed = env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]))
	return { flags: command.slice(1, -1), env: Object.fromEntries(fixed) }
}

/** A file of this folder as the image would have it, with further flags of node. */
export const bundled = (entry: string, flags: readonly string[], role: Role = 'operator'): Promise<Program> =>
	bundledAs(join('test/bench', entry), flags, role)

/** A file of the repository as the image would have it, with further flags of node. */
export async function bundledAs(
	entry: string,
	flags: readonly string[] = [],
	role: Role = 'operator',
): Promise<Program> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-bench-'))
	const file = join(folder, 'main.mjs')
	await bundle(join(import.meta.dirname, '../..', entry), file)
	const remove = () => rmSync(folder, { recursive: true, force: true })
	const own = role === 'node' ? nodeRoleSettings() : imageSettings()
	return { args: [...own.flags, ...flags, file], env: own.env, remove }
}

export const fromSource = (entry: string): Program => ({
	args: ['--conditions=asb-source', join(import.meta.dirname, entry)],
	remove() {},
})

/** Of its log to show when it ends by itself: lines, and characters of a line, for a bundle has long ones. */
const LAST_LINES = 20
const LINE_LENGTH = 300

export function startChild({ args, env }: Program): Child {
	const child: ChildProcess = spawn(process.execPath, args, {
		stdio: ['pipe', 'pipe', 'pipe'],
		env: { ...process.env, NODE_ENV: 'production', ...env },
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
		ended: ended.promise,
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
