import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { isIPv6 } from 'node:net'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Clock } from '../process/clock.ts'

/** Where the API server is and who we are there: a `KubeConfig` of the client library, or what a pod is given. */
export type KubeAccess = Pick<KubeConfig, 'getCurrentCluster' | 'applyToHTTPSOptions'>

export interface PodAccessOptions {
	host: string
	port: string
	/** holds `token` and `ca.crt` */
	folder: string
}

// As client-go does: the kubelet puts a new token there when a fifth of the old one's time is left, which is minutes at least.
const REREAD_MS = 60_000

/**
 * How a pod reaches its API server, as client-go's `InClusterConfig`. The client library can do that as well, but loading it takes
 * 20 MB that a pod with a bound token never uses.
 */
export function createPodAccess({ host, port, folder }: PodAccessOptions, clock: Pick<Clock, 'monotonic'>): KubeAccess {
	const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
	let known: { at: number; files: Promise<readonly [ca: Buffer, token: string]> } | undefined
	const read = async () => {
		const [ca, token] = await Promise.all([readFile(`${folder}/ca.crt`), readFile(`${folder}/token`, 'utf8')])
		return [ca, token.trim()] as const
	}
	return {
		getCurrentCluster: () => ({ name: 'pod', server, caFile: `${folder}/ca.crt`, skipTLSVerify: false }),
		async applyToHTTPSOptions(options: RequestOptions) {
			const at = clock.monotonic()
			if (!known || at - known.at >= REREAD_MS) known = { at, files: read() }
			const asked = known
			try {
				const [ca, token] = await asked.files
				options.ca = ca
				options.headers = { ...options.headers, Authorization: `Bearer ${token}` }
			} catch (error) {
				// The next request tries again.
				if (known === asked) known = undefined
				throw error
			}
		},
	}
}
