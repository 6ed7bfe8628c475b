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

export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

/** What a pod is given; undefined where this is none. */
export function podOf(env: NodeJS.ProcessEnv, folder: string): PodAccessOptions | undefined {
	const [host, port] = [env['KUBERNETES_SERVICE_HOST'], env['KUBERNETES_SERVICE_PORT']]
	return host && port ? { host, port, folder } : undefined
}

export interface AccessOptions {
	/** path of a kubeconfig file, which goes before what a pod is given */
	readonly kubeconfig: string | undefined
	readonly context: string | undefined
	readonly pod: PodAccessOptions | undefined
}

/** In a pod what the kubelet gives it; the library for kubeconfig files is loaded only for one. */
export async function accessOf(
	{ kubeconfig, context, pod }: AccessOptions,
	clock: Pick<Clock, 'monotonic'>,
): Promise<KubeAccess> {
	if (kubeconfig) return (await import('./kubeconfig.ts')).readKubeconfig(kubeconfig, context)
	if (!pod) throw new Error('this is no pod (KUBERNETES_SERVICE_HOST is not set), and no kubeconfig is named')
	return createPodAccess(pod, clock)
}

// As client-go does: the kubelet puts a new token there when a fifth of the old one's time is left, which is minutes at least.
const REREAD_MS = 60_000

/**
 * How a pod reaches its API server, as client-go's `InClusterConfig`. The client library can do that as well, but loading it takes
 * tens of MB that a pod with a bound token never uses.
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
