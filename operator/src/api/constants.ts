/** API group of the resource and of its annotations. */
export const GROUP = 'secrets.purista.dev'
export const VERSION = 'v1alpha1'
export const API_VERSION = `${GROUP}/${VERSION}`
export const KIND = 'AzureSecretBinding'
export const PLURAL = 'azuresecretbindings'
export const SHORT_NAME = 'asb'

/** Label on a Secret: the binding that owns it. Ownership is this label, never a UID. */
export const OWNER_LABEL = `${GROUP}/binding`
/** Annotation on pods: resourceVersion of the Secret that they were told to refresh for. */
export const REFRESHED_ANNOTATION = `${GROUP}/refreshed`
/** Annotation on a binding: any new text asks for a poll now. */
export const REQUESTED_ANNOTATION = `${GROUP}/requested-at`
/** Annotation on a binding: pins secrets for a while, `<name>=<version>; until=<RFC 3339 time>`. */
export const HOLD_ANNOTATION = `${GROUP}/hold`
/** Annotation on a binding: acknowledges removals that wait, by the digest in the message about them. */
export const ALLOW_REMOVALS_ANNOTATION = `${GROUP}/allow-removals`
/** Annotation on a ServiceAccount: the vault of bindings that name none. */
export const VAULT_URL_ANNOTATION = `${GROUP}/vault-url`
/** Annotations on a ServiceAccount, as the webhook of Azure workload identity reads them. */
export const CLIENT_ID_ANNOTATION = 'azure.workload.identity/client-id'
export const TENANT_ID_ANNOTATION = 'azure.workload.identity/tenant-id'

/** Under this name our changes stand in `managedFields`. */
export const FIELD_MANAGER = 'azure-secret-binding'

/** Audiences for which the operator may ask tokens of other ServiceAccounts; the admission policies allow the same two. */
export const AUDIENCES = ['api://AzureADTokenExchange', 'api://AKSIdentityBinding'] as const
export type Audience = (typeof AUDIENCES)[number]

/** DNS suffixes of Key Vault: public cloud, China, US government. */
export const VAULT_SUFFIXES = ['vault.azure.net', 'vault.azure.cn', 'vault.usgovcloudapi.net'] as const

/**
 * URL of a vault: its name has 3 to 24 letters, digits and hyphens; which suffixes may follow the operator is told
 * (`--vault-suffix`). The CRD, the parser and the annotation of a ServiceAccount are judged by this one rule.
 */
export const VAULT_URL = /^https:\/\/([a-zA-Z0-9-]{3,24}(?:\.[a-zA-Z0-9-]{1,63})+)\/?$/

/** An id of Entra: of a tenant, of an identity. */
export const GUID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/
/** Key Vault's own rules for the name of a secret and the id of a version (FACTS.md#names). */
export const OBJECT_NAME = /^[0-9a-zA-Z-]{1,127}$/
export const VERSION_ID = /^[0-9a-f]{32}$/
/** RFC 1123, as the API server asks of the names of most objects; how long they may be each field says. */
export const DNS_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
/** What may follow the name of a vault: two labels at least. */
export const DNS_SUFFIX = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/

/** Types of Secrets that may be written, with the keys that the API server asks for. */
export const SECRET_TYPES = {
	Opaque: { all: [], any: [] },
	'kubernetes.io/tls': { all: ['tls.crt', 'tls.key'], any: [] },
	'kubernetes.io/basic-auth': { all: [], any: ['username', 'password'] },
	'kubernetes.io/ssh-auth': { all: ['ssh-privatekey'], any: [] },
	'kubernetes.io/dockerconfigjson': { all: ['.dockerconfigjson'], any: [] },
} as const satisfies Record<string, { all: readonly string[]; any: readonly string[] }>
export type SecretType = keyof typeof SECRET_TYPES

/** Sum of value bytes that the API server accepts in a Secret (`MaxSecretSize`). */
export const MAX_SECRET_BYTES = 1_048_576

/** Secrets of one binding, selected ones included: 500 entries of status and manifest stay far below 1 MiB. */
export const MAX_SECRETS = 500
