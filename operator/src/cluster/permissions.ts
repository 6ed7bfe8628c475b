import type { Permissions } from '../ports/cluster.ts'
import type { KubeTransport } from './transport.ts'

/** Asks the authoriser itself. Every user may, so this needs no permission, and it knows authorisers other than RBAC. */
export function createPermissions(transport: Pick<KubeTransport, 'request'>): Permissions {
	return {
		async isAllowed({ verb, resource: kind, namespace, name }) {
			const [resource, subresource] = kind.split('/')
			const resourceAttributes = { namespace, verb, resource, subresource, name }
			const { status } = await transport.request<{ status?: { allowed?: boolean } }>({
				method: 'POST',
				path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
				body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } },
			})
			return status?.allowed === true
		},
	}
}
