import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TrustIssuer } from '../control/types.ts'
import { fetchJson } from '../tokens/fetch-json.ts'
import { parseKeySet } from '../tokens/issuers.ts'

/** Where every pod finds its own ServiceAccount. */
const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The cluster this pod runs in as an identity provider: issuer and keys from the API server, read with the pod's
 * own token. Rejects outside of a pod, and when the API server does not answer.
 */
export async function inClusterIssuer(
	environment: NodeJS.ProcessEnv,
	folder: string = SERVICE_ACCOUNT_FOLDER,
): Promise<TrustIssuer> {
	const host = environment['KUBERNETES_SERVICE_HOST']
	const port = environment['KUBERNETES_SERVICE_PORT']
	if (!host || !port) throw new Error('--federate-in-cluster works only in a pod: KUBERNETES_SERVICE_HOST is not set')
	const base = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
	const bearerTokenFile = join(folder, 'token')
	const caFile = join(folder, 'ca.crt')
	await readFile(bearerTokenFile).catch(() => {
		throw new Error(`--federate-in-cluster needs the pod's ServiceAccount token at ${bearerTokenFile}`)
	})
	const document = (await fetchJson(`${base}/.well-known/openid-configuration`, { bearerTokenFile, caFile })) as {
		issuer?: unknown
	}
	if (typeof document.issuer !== 'string') throw new Error('the API server names no issuer of ServiceAccount tokens')
	return { issuer: document.issuer, jwksUrl: `${base}/openid/v1/jwks`, bearerTokenFile, caFile }
}

/**
 * The cluster of a kubeconfig as an identity provider, asked through kubectl, which knows every way to log in. The
 * keys are read once: a cluster that rotates them needs a restart of the emulator.
 */
export async function kubeconfigIssuer(kubeconfig: string, kubectl: string = 'kubectl'): Promise<TrustIssuer> {
	const raw = async (path: string): Promise<unknown> => {
		try {
			const { stdout } = await promisify(execFile)(kubectl, ['--kubeconfig', kubeconfig, 'get', '--raw', path], {
				timeout: 30_000,
			})
			return JSON.parse(stdout) as unknown
		} catch (error) {
			const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string }
			if (code === 'ENOENT') throw new Error('--federate-kubeconfig needs kubectl on the PATH', { cause: error })
			throw new Error(`kubectl could not read ${path}: ${stderr?.trim() || (error as Error).message}`, { cause: error })
		}
	}
	const { issuer } = (await raw('/.well-known/openid-configuration')) as { issuer?: unknown }
	if (typeof issuer !== 'string') throw new Error('the cluster names no issuer of ServiceAccount tokens')
	return { issuer, jwks: parseKeySet(await raw('/openid/v1/jwks')) as { keys: Array<Record<string, unknown>> } }
}
