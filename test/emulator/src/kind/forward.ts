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
/** Milliseconds before it is tried again: a process that starts listens within seconds. */
const AGAIN_MS = 300

/**
 * `kubectl port-forward` to a free port on loopback.
 *
 * kubectl ends when a connection meets a container that does not listen yet, or when the pod goes. Then it is started again on
 * the same port, until it is closed.
 *
 * @param resource such as `service/shop` or `pod/shop-0`
 * Rejects with what kubectl said when it ended before it forwarded for the first time.
 */
export async function forward(
	access: ClusterAccess,
	target: { namespace: string; resource: string; port: number },
): Promise<Forwarded> {
	let closed = false
	let current = await start(access, target, '')
	const { port } = current
	const follow = async (): Promise<void> => {
		while (!closed) {
			await current.ended
			if (closed) return
			await new Promise((done) => setTimeout(done, AGAIN_MS))
			// The pod may be gone for a moment: the next attempt finds the one that takes its place.
			if (!closed) current = await start(access, target, String(port)).catch(() => current)
		}
	}
	const following = follow()
	return {
		url: `http://127.0.0.1:${port}`,
		port,
		async close() {
			closed = true
			current.end()
			await following
			// One more may have been started meanwhile.
			current.end()
			await current.ended
		},
	}
}

interface Running {
	readonly port: number
	readonly ended: Promise<void>
	end(): void
}

/** One kubectl, once it forwards. @param local the port on loopback; empty: a free one */
function start(
	access: ClusterAccess,
	{ namespace, resource, port }: { namespace: string; resource: string; port: number },
	local: string,
): Promise<Running> {
	return new Promise((resolve, reject) => {
		const args = ['-n', namespace, 'port-forward', '--address', '127.0.0.1', resource, `${local}:${port}`]
		const child = spawn(...kubectlCommand(access, args), {
			env: { ...process.env, ...access.env },
			stdio: ['ignore', 'pipe', 'pipe'],
		})
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
			resolve({ port: Number(found), ended, end })
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
