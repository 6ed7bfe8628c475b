import { spawn } from 'node:child_process'
import { type ClusterAccess, kubectlCommand } from './kubectl.ts'

export interface Forwarded {
	/** `http://127.0.0.1:port` */
	readonly url: string
	readonly port: number
	close(): Promise<void>
}

/** Milliseconds: the pod is there already, kubectl connects in well under a second. */
const FORWARD_TIMEOUT_MS = 30_000

/**
 * `kubectl port-forward` to a free port on loopback.
 * @param resource such as `service/shop` or `pod/shop-0`
 * Rejects with what kubectl said when it ended before it forwarded.
 */
export function forward(
	access: ClusterAccess,
	{ namespace, resource, port }: { namespace: string; resource: string; port: number },
): Promise<Forwarded> {
	return new Promise((resolve, reject) => {
		const child = spawn(
			...kubectlCommand(access, ['-n', namespace, 'port-forward', '--address', '127.0.0.1', resource, `:${port}`]),
			{ env: { ...process.env, ...access.env }, stdio: ['ignore', 'pipe', 'pipe'] },
		)
		const end = (): void => void child.kill()
		// A test process that ends without closing must not leave kubectl behind.
		process.once('exit', end)
		const ended = new Promise<void>((done) => child.once('close', () => done()))
		const timer = setTimeout(end, FORWARD_TIMEOUT_MS)
		let [out, err] = ['', '']
		child.stdout.setEncoding('utf8').on('data', (text: string) => {
			out += text
			const found = /^Forwarding from 127\.0\.0\.1:(\d+) /m.exec(out)?.[1]
			if (found === undefined) return
			clearTimeout(timer)
			const close = async (): Promise<void> => {
				process.off('exit', end)
				end()
				await ended
			}
			resolve({ url: `http://127.0.0.1:${found}`, port: Number(found), close })
		})
		child.stderr.setEncoding('utf8').on('data', (text: string) => {
			err += text
		})
		child.on('error', reject)
		child.on('close', () => {
			clearTimeout(timer)
			process.off('exit', end)
			reject(
				new Error(`kubectl port-forward to ${resource} in ${namespace} ended: ${err.trim() || 'it took too long'}`),
			)
		})
	})
}
