import { isKubeError, type KubeError } from '../adapters/kube/errors.ts'
import type { Reason } from '../api/conditions.ts'
import { CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION, VAULT_SUFFIXES, VAULT_URL_ANNOTATION } from '../api/constants.ts'
import type { Binding } from '../api/parse.ts'
import type { ServiceAccounts } from '../ports/cluster.ts'
import type { SessionKey, Vaults } from '../ports/vault.ts'
import type { Permission } from '../status/commands.ts'

export interface Refusal {
	kind: 'refused'
	reason: Reason
	message: string
	/** a permission that the operator lacks is the cause */
	missing?: Permission | undefined
}

export const refused = (reason: Reason, message: string): Refusal => ({ kind: 'refused', reason, message })

/** The same in the words of the API server. */
export const refusedBy = ({ message, missing }: KubeError, reason: Reason, text: string): Refusal => ({
	...refused(reason, `${text}: ${message}`),
	...(missing && { missing }),
})

const GUID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/

/**
 * With whose identity which vault is read: the spec, completed by the annotations of the ServiceAccount, as it was at
 * `since` (monotonic, milliseconds) or later.
 */
export async function resolveIdentity(
	binding: Binding,
	{ serviceAccounts, vaults }: { serviceAccounts: ServiceAccounts; vaults: Vaults },
	since: number,
): Promise<{ kind: 'ready'; key: SessionKey } | Refusal> {
	const { namespace, identity } = binding
	const { serviceAccountName } = identity
	let account: Awaited<ReturnType<ServiceAccounts['get']>>
	try {
		account = await serviceAccounts.get(namespace, serviceAccountName, since)
	} catch (error) {
		if (!isKubeError(error, 'forbidden')) throw error
		return refusedBy(error, 'TokenRequestRefused', 'The API server does not let the operator read the ServiceAccount')
	}
	if (!account) {
		return refused(
			'ServiceAccountNotFound',
			`The namespace ${namespace} has no ServiceAccount ${serviceAccountName}. Create it with the annotations of its identity, or correct spec.identity.serviceAccountName.`,
		)
	}
	const { annotations } = account
	const clientId = identity.clientId ?? annotations[CLIENT_ID_ANNOTATION]
	const tenantId = identity.tenantId ?? annotations[TENANT_ID_ANNOTATION]
	// Which id or vault it shall be nobody here knows, so what to write is said in words: a line with a gap cannot be run.
	for (const [id, annotation, field, what] of [
		[clientId, CLIENT_ID_ANNOTATION, 'clientId', 'the client id of the managed identity that may read the vault'],
		[tenantId, TENANT_ID_ANNOTATION, 'tenantId', 'the id of the Entra tenant of that identity'],
	] as const) {
		if (id !== undefined && GUID.test(id)) continue
		const has = id === undefined ? 'has no' : 'has no usable'
		return refused(
			'IdentityMissing',
			`The ServiceAccount ${serviceAccountName} ${has} annotation ${annotation}, and the spec no identity.${field}. Write one of them: ${what}, a GUID.`,
		)
	}
	const vaultUrl = (binding.vaultUrl ?? annotations[VAULT_URL_ANNOTATION])?.replace(/\/$/, '')
	if (vaultUrl === undefined) {
		return refused(
			'VaultMissing',
			`The spec names no vault, and the ServiceAccount ${serviceAccountName} has no annotation ${VAULT_URL_ANNOTATION}. Write spec.vault.url or the annotation: https:// and the name of the vault with its suffix, ${VAULT_SUFFIXES[0]} in the public cloud.`,
		)
	}
	if (!vaults.isAllowed(vaultUrl)) {
		return refused(
			'VaultNotAllowed',
			`The URL of the vault must be https://<vault name>.<suffix> with a suffix that the operator is allowed to talk to (${VAULT_SUFFIXES.join(', ')} by default), without port or path.`,
		)
	}
	return {
		kind: 'ready',
		key: {
			vaultUrl,
			tenantId: tenantId ?? '',
			clientId: clientId ?? '',
			audience: identity.audience,
			namespace,
			serviceAccount: serviceAccountName,
			serviceAccountUid: account.uid,
		},
	}
}
