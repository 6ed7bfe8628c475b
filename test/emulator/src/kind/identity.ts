// A ServiceAccount with a workload identity, as the operator and the Azure SDKs expect it.
import { createHash } from 'node:crypto'
import type { EmulatorControl } from '../control/types.ts'

/** The audience that Entra asks of federated tokens. */
export const EXCHANGE_AUDIENCE = 'api://AzureADTokenExchange'

/** The role that lets a workload read secrets and their metadata. */
export const SECRETS_USER = 'Key Vault Secrets User'

/** The namespace and name of the operator, and the role that a namespace grants it: deploy/kustomize/base. */
export const OPERATOR_NAMESPACE = 'azure-secret-binding-system'
export const OPERATOR_NAME = 'azure-secret-binding-operator'
const TENANT_ROLE = 'azure-secret-binding-tenant'

/** The same text gives the same id: manifests printed twice name one tenant and one client. */
export function idOf(text: string): string {
	const hex = createHash('sha256').update(`azure-key-vault-emulator/${text}`).digest('hex')
	// Version 8 (RFC 9562): an id made by a rule of one's own.
	return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
		'-',
	)
}

/** The tenant of an emulator in a cluster, unless one is given. */
export const DEFAULT_TENANT: string = idOf('tenant')

export interface WorkloadIdentity {
	readonly namespace: string
	readonly serviceAccount: string
	readonly clientId: string
}

export const subjectOf = ({ namespace, serviceAccount }: WorkloadIdentity): string =>
	`system:serviceaccount:${namespace}:${serviceAccount}`

/** Makes the client, its federated credential and its grants, as an administrator does once. */
export async function federate(
	control: EmulatorControl,
	identity: WorkloadIdentity,
	options: { issuer: string; role?: string; vaults: readonly string[] },
): Promise<void> {
	const { clientId, namespace, serviceAccount } = identity
	await control.addClient({ clientId, name: `${namespace}-${serviceAccount}` })
	await control.addFederatedCredential({
		...{ clientId, name: 'cluster', issuer: options.issuer, subject: subjectOf(identity) },
		audience: EXCHANGE_AUDIENCE,
	})
	for (const vault of options.vaults) await control.grant({ clientId, role: options.role ?? SECRETS_USER, vault })
}

/** What a namespace grants the operator: the RoleBinding of deploy/examples. */
export const grantOf = (namespace: string): object => ({
	apiVersion: 'rbac.authorization.k8s.io/v1',
	kind: 'RoleBinding',
	metadata: { namespace, name: 'azure-secret-binding' },
	roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: TENANT_ROLE },
	subjects: [{ kind: 'ServiceAccount', namespace: OPERATOR_NAMESPACE, name: OPERATOR_NAME }],
})

/** Namespace, annotated ServiceAccount, and the grant without which the operator does nothing in that namespace. */
export function identityObjects(identity: WorkloadIdentity, tenantId: string, grant = true): object[] {
	const { namespace, serviceAccount, clientId } = identity
	return [
		{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
		{
			apiVersion: 'v1',
			kind: 'ServiceAccount',
			metadata: {
				namespace,
				name: serviceAccount,
				annotations: { 'azure.workload.identity/client-id': clientId, 'azure.workload.identity/tenant-id': tenantId },
			},
		},
		...(grant ? [grantOf(namespace)] : []),
	]
}
