import { isKubeError, KubeError } from '../ports/kube-error.ts'
import { tokenRequest } from './serviceaccounts.ts'
import type { KubeTransport } from './transport.ts'

/** The admission policies of deploy/kustomize/fence. */
export const POLICIES = ['tokens', 'secrets', 'pods', 'events'] as const
export type Policy = (typeof POLICIES)[number]

/** Who asks: the operator's namespace, ServiceAccount and pod. */
export interface PolicyProbe {
	namespace: string
	serviceAccount: string
	pod: string
}

export type PolicyAnswer =
	| { kind: 'stands' }
	/** the API server would have done it */
	| { kind: 'missing' }
	/** refused, or not answered, for another cause */
	| { kind: 'unknown'; message: string }

type Request = Parameters<KubeTransport['request']>[0]

// Nothing of this name is ever made: all of it is dry runs.
const NAME = 'azure-secret-binding-fence-check'

/**
 * For each policy a request that nothing but it refuses, in the operator's own namespace. POST and PUT only: they need no
 * right that is a read.
 */
function requestFor(policy: Policy, { namespace, serviceAccount, pod }: PolicyProbe): Request {
	const core = `/api/v1/namespaces/${namespace}`
	switch (policy) {
		case 'tokens':
			return {
				method: 'POST',
				path: `${core}/serviceaccounts/${serviceAccount}/token`,
				body: tokenRequest('https://fence-check.secrets.purista.dev'),
			}
		case 'secrets':
			return {
				method: 'POST',
				path: `${core}/secrets`,
				body: { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: NAME } },
			}
		case 'pods':
			// Of the operator's own pod: it would lose its labels and its status.
			return {
				method: 'PUT',
				path: `${core}/pods/${pod}/status`,
				body: { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: pod } },
			}
		case 'events':
			return {
				method: 'POST',
				path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
				body: {
					apiVersion: 'events.k8s.io/v1',
					kind: 'Event',
					metadata: { namespace, name: NAME },
					eventTime: '2026-01-01T00:00:00.000000Z',
					reportingController: 'example.com/fence-check',
					reportingInstance: NAME,
					action: 'Check',
					reason: 'FenceCheck',
					note: 'nobody sees this',
					type: 'Normal',
					regarding: { apiVersion: 'v1', kind: 'Namespace', name: namespace, namespace },
				},
			}
	}
}

/** Asks for one policy whether it is in force: what it refuses must be refused by it, as a dry run. */
export async function askForPolicy(
	transport: Pick<KubeTransport, 'request'>,
	policy: Policy,
	probe: PolicyProbe,
	signal?: AbortSignal,
): Promise<PolicyAnswer> {
	try {
		await transport.request({ ...requestFor(policy, probe), query: { dryRun: 'All' }, signal })
		return { kind: 'missing' }
	} catch (error) {
		if (!(error instanceof KubeError)) throw error
		return isRefusalOf(policy, error) ? { kind: 'stands' } : { kind: 'unknown', message: error.message }
	}
}

/** Whether this policy said no (403 or 422): not RBAC, not validation, not somebody else's policy. */
function isRefusalOf(policy: Policy, error: KubeError): boolean {
	// As the API server quotes the name; kustomize may put something before and after.
	const named = new RegExp(`ValidatingAdmissionPolicy '[^']*azure-secret-binding-${policy}[^']*'`)
	return isKubeError(error, 'forbidden', 'invalid') && named.test(error.message)
}
