import { spawn } from 'node:child_process'

/** What kubectl needs to know of a cluster; a `Cluster` of test/cluster is one. */
export interface KubectlTarget {
	readonly kubectl: string
	readonly kubeconfig: string
	readonly context: string
	readonly env: Record<string, string>
}

/** Runs kubectl as a user would and answers what it printed. Throws with its error output. */
export function kubectl(
	target: KubectlTarget,
	args: readonly string[],
	{ input, timeoutMs = 180_000 }: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
	return new Promise((resolve, reject) => {
		const child = spawn(target.kubectl, ['--kubeconfig', target.kubeconfig, '--context', target.context, ...args], {
			env: { ...process.env, ...target.env },
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
export function applyObjects(target: KubectlTarget, objects: readonly object[]): Promise<string> {
	const list = { apiVersion: 'v1', kind: 'List', items: objects }
	return kubectl(target, ['apply', '--server-side', '--force-conflicts', '-f', '-'], { input: JSON.stringify(list) })
}

/** `kubectl get … -o json`. */
export async function getObject<T>(target: KubectlTarget, args: readonly string[]): Promise<T> {
	return JSON.parse(await kubectl(target, ['get', ...args, '-o', 'json'])) as T
}
