import { spawn } from 'node:child_process'

/** Which cluster, and with which kubectl; what is absent is kubectl's own default. */
export interface ClusterAccess {
	/** Default: `kubectl` on the PATH. */
	readonly kubectl?: string
	readonly kubeconfig?: string
	readonly context?: string
	/** More environment for kubectl. */
	readonly env?: Readonly<Record<string, string>>
}

/** Milliseconds: longer than the waits of kubectl that we ask for, at most 120 s each. */
const DEFAULT_TIMEOUT_MS = 180_000

/** The command line, for those who read its output while it runs. */
export const kubectlCommand = (access: ClusterAccess, args: readonly string[]): [command: string, args: string[]] => [
	access.kubectl ?? 'kubectl',
	[
		...(access.kubeconfig === undefined ? [] : ['--kubeconfig', access.kubeconfig]),
		...(access.context === undefined ? [] : ['--context', access.context]),
		...args,
	],
]

/** Runs kubectl as a user would and answers what it printed. Rejects with its error output. */
export function kubectl(
	access: ClusterAccess,
	args: readonly string[],
	{ input, timeoutMs = DEFAULT_TIMEOUT_MS }: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
	return new Promise((resolve, reject) => {
		const child = spawn(...kubectlCommand(access, args), {
			env: { ...process.env, ...access.env },
			stdio: ['pipe', 'pipe', 'pipe'],
			timeout: timeoutMs,
		})
		let out = ''
		let err = ''
		child.stdout.setEncoding('utf8').on('data', (text: string) => {
			out += text
		})
		child.stderr.setEncoding('utf8').on('data', (text: string) => {
			err += text
		})
		child.on('error', reject)
		child.on('close', (code, signal) => {
			if (code === 0) resolve(out)
			else reject(new Error(`kubectl ${args.join(' ')}: ${err.trim() || `ended by ${signal ?? `exit code ${code}`}`}`))
		})
		child.stdin.on('error', () => {}) // kubectl may end before it has read everything; its exit code tells
		child.stdin.end(input ?? '')
	})
}

/** `kubectl apply` of objects. */
export function applyObjects(access: ClusterAccess, objects: readonly object[]): Promise<string> {
	const list = { apiVersion: 'v1', kind: 'List', items: objects }
	return kubectl(access, ['apply', '--server-side', '--force-conflicts', '-f', '-'], { input: JSON.stringify(list) })
}

/** `kubectl get … -o json`. */
export async function getObject<T>(access: ClusterAccess, args: readonly string[]): Promise<T> {
	return JSON.parse(await kubectl(access, ['get', ...args, '-o', 'json'])) as T
}
