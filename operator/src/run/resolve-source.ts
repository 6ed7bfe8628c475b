import {
	CLIENT_ID_ANNOTATION,
	GUID,
	TENANT_ID_ANNOTATION,
	VAULT_SUFFIXES,
	VAULT_URL_ANNOTATION,
} from '../api/constants.ts'
import type { Binding } from '../api/parse.ts'
import type { Away, Refusal } from '../engine/questions.ts'
import { refused, refusedBy } from '../engine/refusal.ts'
import type { Source } from '../engine/source.ts'
import type { ServiceAccount, ServiceAccounts } from '../ports/cluster.ts'
import { isKubeError, type KubeError } from '../ports/kube-error.ts'

export type Resolved = { readonly kind: 'ready'; readonly source: Source } | Refusal

/**
 * With whose identity which vault is read: the spec, completed by the annotations of the ServiceAccount.
 *
 * @param account undefined: the namespace has none of that name
 */
export function sourceOf(
	binding: Binding,
	account: ServiceAccount | undefined,
	isAllowed: (vaultUrl: string) => boolean,
	suffixes: readonly string[] = VAULT_SUFFIXES,
): Resolved {
	const { namespace, identity } = binding
	const { serviceAccountName } = identity
	if (!account) {
		return refused(
			'ServiceAccountNotFound',
			`The namespace ${namespace} has no ServiceAccount ${serviceAccountName}. Create it with the annotations of its identity, or correct spec.identity.serviceAccountName.`,
		)
	}
	const { annotations } = account
	// The spec's are in lower case already (api/parse.ts).
	const clientId = identity.clientId ?? annotations[CLIENT_ID_ANNOTATION]?.toLowerCase()
	const tenantId = identity.tenantId ?? annotations[TENANT_ID_ANNOTATION]?.toLowerCase()
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
	const vaultUrl = (binding.vaultUrl ?? annotations[VAULT_URL_ANNOTATION]?.toLowerCase())?.replace(/\/$/, '')
	if (vaultUrl === undefined) {
		return refused(
			'VaultMissing',
			`The spec names no vault, and the ServiceAccount ${serviceAccountName} has no annotation ${VAULT_URL_ANNOTATION}. Write spec.vault.url or the annotation: https:// and the name of the vault with its suffix, ${VAULT_SUFFIXES[0]} in the public cloud.`,
		)
	}
	if (!isAllowed(vaultUrl)) {
		const usual = usualUrl(vaultUrl)
		const hint = usual && isAllowed(usual) ? ` Behind a private endpoint the vault keeps its name: write ${usual}.` : ''
		return refused(
			'VaultNotAllowed',
			`The URL of the vault must be https://<vault name>.<suffix> with a suffix that the operator is allowed to talk to (${suffixes.join(', ')}; its flag --vault-suffix names them), without port or path.${hint}`,
		)
	}
	const { audience } = identity
	const of = { namespace, serviceAccount: serviceAccountName, serviceAccountUid: account.uid }
	return { kind: 'ready', source: { vaultUrl, tenantId: tenantId ?? '', clientId: clientId ?? '', audience, ...of } }
}

// A name in the DNS zone of a private endpoint, where the vault cannot be asked by it (FACTS.md#private-endpoints).
const PRIVATE = /^(https:\/\/[a-z0-9-]+)(?:\.privatelink)?\.vaultcore\.(azure\.net|azure\.cn|usgovcloudapi\.net)$/

/** The URL that a vault has for everybody, of one that was taken from the zone of its private endpoint. */
function usualUrl(vaultUrl: string): string | undefined {
	const [, name, suffix] = PRIVATE.exec(vaultUrl) ?? []
	return name && suffix && `${name}.vault.${suffix}`
}

/** The ServiceAccount as it was at `since` (monotonic, milliseconds) or later, and what follows from it. */
export async function resolveSource(
	binding: Binding,
	serviceAccounts: ServiceAccounts,
	isAllowed: (vaultUrl: string) => boolean,
	since: number,
	suffixes?: readonly string[],
): Promise<Resolved | Away> {
	const { namespace, identity } = binding
	try {
		const account = await serviceAccounts.get(namespace, identity.serviceAccountName, since)
		return sourceOf(binding, account, isAllowed, suffixes)
	} catch (error) {
		if (!isKubeError(error)) throw error
		if (!isKubeError(error, 'forbidden')) return { kind: 'away', error }
		return refusedBy(error, 'TokenRequestRefused', 'The API server does not let the operator read the ServiceAccount')
	}
}

/** A token of the ServiceAccount that the API server does not give. */
export function tokenRefused({ identity }: Binding, error: KubeError): Refusal | Away {
	const account = identity.serviceAccountName
	if (error.kind === 'notFound') return refused('ServiceAccountNotFound', `The ServiceAccount ${account} went away.`)
	if (error.kind !== 'forbidden' && error.kind !== 'invalid') return { kind: 'away', error }
	return refusedBy(error, 'TokenRequestRefused', `The API server refuses a token of the ServiceAccount ${account}`)
}
