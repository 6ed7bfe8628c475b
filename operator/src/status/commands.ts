import { DNS_NAME, GUID, TENANT_ID_ANNOTATION } from '../api/constants.ts'
import type { Permission } from '../engine/permission.ts'

export type { Permission } from '../engine/permission.ts'

// Lines that a user can run as they stand. Every part is checked against its own pattern here, once more and whatever was
// checked before: a text with a quote or a dollar sign in the wrong place would become a command of somebody else.

/** ClusterRole of deploy/kustomize/base that a namespace binds. */
export const TENANT_ROLE = 'azure-secret-binding-tenant'
/** The same for namespaces whose bindings are all delivered by Volume: no Secret, no pod. */
export const TENANT_VOLUME_ROLE = 'azure-secret-binding-tenant-volume'

// With a letter first, as Key Vault has them: what begins with a hyphen would be an option of the command.
const VAULT_NAME = /^[a-zA-Z][a-zA-Z0-9-]{0,23}$/
const ISSUER = /^https:\/\/[A-Za-z0-9.-]+(:[0-9]+)?(\/[A-Za-z0-9._~-]*)*$/
const AUDIENCE = /^api:\/\/[A-Za-z0-9]+$/

const safe = (pattern: RegExp, ...texts: string[]) => texts.every((text) => text.length <= 253 && pattern.test(text))

/** What a token of the ServiceAccount says about itself; Entra compares exactly these. */
export interface Federation {
	issuer: string
	audience: string
	namespace: string
	serviceAccount: string
	clientId: string
}

export const subjectOf = (namespace: string, serviceAccount: string) =>
	`system:serviceaccount:${namespace}:${serviceAccount}`

// Entra: 3 to 120 letters, digits, "-" and "_", starting with a letter or digit.
const credentialName = (namespace: string, serviceAccount: string) =>
	`${namespace}-${serviceAccount}`.replaceAll('.', '-').slice(0, 120)

/** Creates the federated credential; undefined when a part is not of the expected form. */
export function federatedCredentialLine(at: Federation): string | undefined {
	const { issuer, audience, namespace, serviceAccount, clientId } = at
	const valid =
		safe(ISSUER, issuer) &&
		safe(AUDIENCE, audience) &&
		safe(GUID, clientId) &&
		safe(DNS_NAME, namespace, serviceAccount)
	if (!valid) return undefined
	const find = (field: string) => `"$(az identity list --query "[?clientId=='${clientId}'].${field}" -o tsv)"`
	return [
		`az identity federated-credential create --name ${credentialName(namespace, serviceAccount)}`,
		`--identity-name ${find('name')} --resource-group ${find('resourceGroup')}`,
		`--issuer ${issuer} --subject ${subjectOf(namespace, serviceAccount)} --audiences ${audience}`,
	].join(' ')
}

/** Assigns the role that lets the identity read the vault's secrets. */
export function roleAssignmentLine(clientId: string, vault: string): string | undefined {
	if (!safe(GUID, clientId) || !safe(VAULT_NAME, vault)) return undefined
	return `az role assignment create --role "Key Vault Secrets User" --assignee ${clientId} --scope "$(az keyvault show --name ${vault} --query id -o tsv)"`
}

/** The same for a vault with access policies. */
export function accessPolicyLine(clientId: string, vault: string): string | undefined {
	if (!safe(GUID, clientId) || !safe(VAULT_NAME, vault)) return undefined
	return `az keyvault set-policy --name ${vault} --spn ${clientId} --secret-permissions get list`
}

/** Hands a Secret over to a binding. */
export function adoptLine(namespace: string, secret: string, label: string, binding: string): string | undefined {
	if (!safe(DNS_NAME, namespace, secret, binding)) return undefined
	return `kubectl -n ${namespace} label --overwrite secret ${secret} ${label}=${binding}`
}

/** A ServiceAccount. */
export interface Account {
	namespace: string
	name: string
}

/** Gives the operator one permission that it lacks: in one namespace, and for one name where RBAC can tell names apart. */
export function permitLine({ verb, resource, namespace, name }: Permission, operator: Account): string | undefined {
	const valid =
		safe(/^[a-z]+$/, verb) &&
		safe(/^[a-z]+(\/[a-z]+)?$/, resource) &&
		safe(DNS_NAME, namespace, operator.namespace, operator.name, ...(name === undefined ? [] : [name]))
	if (!valid) return undefined
	const role = ['azure-secret-binding', verb, resource.replace('/', '-'), ...(name === undefined ? [] : [name])].join(
		'-',
	)
	const only = name === undefined ? '' : ` --resource-name=${name}`
	return [
		`kubectl -n ${namespace} create role ${role} --verb=${verb} --resource=${resource}${only}`,
		`kubectl -n ${namespace} create rolebinding ${role} --role=${role} --serviceaccount=${operator.namespace}:${operator.name}`,
	].join(' && ')
}

/** Gives the operator in one namespace all that bindings there need. */
export function grantLine(namespace: string, operator: Account, role = TENANT_ROLE): string | undefined {
	if (!safe(DNS_NAME, namespace, operator.namespace, operator.name)) return undefined
	return `kubectl -n ${namespace} create rolebinding azure-secret-binding --clusterrole=${role} --serviceaccount=${operator.namespace}:${operator.name}`
}

/** Annotates a binding. */
export function annotateBindingLine(
	namespace: string,
	binding: string,
	annotation: string,
	value: string,
): string | undefined {
	if (!safe(DNS_NAME, namespace, binding) || !safe(/^[0-9a-f]+$/, value)) return undefined
	return `kubectl -n ${namespace} annotate --overwrite azuresecretbinding ${binding} ${annotation}=${value}`
}

/** Names the tenant of an identity at its ServiceAccount. */
export function tenantLine(namespace: string, serviceAccount: string, tenantId: string): string | undefined {
	if (!safe(DNS_NAME, namespace, serviceAccount) || !safe(GUID, tenantId)) return undefined
	return `kubectl -n ${namespace} annotate --overwrite serviceaccount ${serviceAccount} ${TENANT_ID_ANNOTATION}=${tenantId}`
}

/** Deletes a Secret; the operator makes it anew. */
export function deleteSecretLine(namespace: string, secret: string): string | undefined {
	if (!safe(DNS_NAME, namespace, secret)) return undefined
	return `kubectl -n ${namespace} delete secret ${secret}`
}

/** First label of the vault's host name: its name in `az`. */
export function vaultNameOf(vaultUrl: string): string {
	return /^https:\/\/([^./:]+)/.exec(vaultUrl)?.[1] ?? ''
}
