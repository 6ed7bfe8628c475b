import { CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION, VAULT_URL_ANNOTATION } from '../api/constants.ts'
import { parseTime } from '../api/time.ts'
import type { ServiceAccount, ServiceAccounts, Tokens } from '../ports/cluster.ts'
import { isKubeError, KubeError } from '../ports/kube-error.ts'
import type { Clock } from '../process/clock.ts'
import { createSharedAnswers } from '../process/shared-answers.ts'
import type { KubeTransport } from './transport.ts'

// Bindings that look at a common time ask within seconds; the first polls of a process may take a minute.
const KEEP_MS = 60_000

/**
 * Bindings of one ServiceAccount look at common times, and would each get it anew: in a quiet cluster that would be nearly
 * all that the API server hears of us. An answer serves those that ask for its time or an earlier one; a failure only those
 * that wait for it.
 */
export function createServiceAccounts(
	transport: Pick<KubeTransport, 'request'>,
	clock: Pick<Clock, 'monotonic'>,
): ServiceAccounts {
	const shared = createSharedAnswers<ServiceAccount | undefined>(clock, KEEP_MS)
	const read = async (path: string): Promise<ServiceAccount | undefined> => {
		try {
			const { metadata } = await transport.request<{
				metadata: { uid: string; annotations?: Record<string, string> }
			}>({ method: 'GET', path })
			return { uid: metadata.uid, annotations: readOf(metadata.annotations ?? {}) }
		} catch (error) {
			if (isKubeError(error, 'notFound')) return undefined
			throw error
		}
	}
	return {
		get(namespace, name, since) {
			const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}`
			return shared.ask(path, since, () => read(path))
		},
	}
}

// No id and no URL of a vault is longer; what is cut here is refused as what it is not.
const MAX_ANNOTATION = 512

/** Of all the annotations that a tenant may write, 256 kB of them, those that somebody reads. */
const readOf = (annotations: Record<string, string>): Record<string, string> =>
	Object.fromEntries(
		[CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION, VAULT_URL_ANNOTATION].flatMap((key) => {
			const value = annotations[key]
			return value === undefined ? [] : [[key, value.slice(0, MAX_ANNOTATION)]]
		}),
	)

// The shortest that the API server gives. The token is read by Entra once, at once, so a longer life would only be exposure.
const EXPIRATION_S = 600

interface TokenRequest {
	status?: { token?: string; expirationTimestamp?: string }
}

export function createTokens(transport: Pick<KubeTransport, 'request'>): Tokens {
	return {
		async request(namespace, serviceAccount, audience) {
			const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`
			const { status } = await transport.request<TokenRequest>({ method: 'POST', path, body: tokenRequest(audience) })
			const expiresAt = parseTime(status?.expirationTimestamp)
			if (!status?.token || expiresAt === undefined)
				throw new KubeError('server', `create ${path}: the answer has no token`)
			return { token: status.token, expiresAt }
		},
	}
}

export function tokenRequest(audience: string): object {
	return {
		apiVersion: 'authentication.k8s.io/v1',
		kind: 'TokenRequest',
		spec: { audiences: [audience], expirationSeconds: EXPIRATION_S },
	}
}
