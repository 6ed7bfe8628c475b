// The way of a pod to the emulator: host names by hostAliases, its CA by a file. Never through the cluster's DNS.
import { EXCHANGE_AUDIENCE, OPERATOR_NAME, OPERATOR_NAMESPACE } from './identity.ts'

/** Names of Entra and of vaults, to the address of the emulator. */
export interface HostAlias {
	readonly ip: string
	readonly hostnames: readonly string[]
}

/** The host names that pods use for these vaults in production. */
export const hostAliasesFor = (ip: string, vaults: readonly string[]): HostAlias[] => [
	{ ip, hostnames: ['login.microsoftonline.com', ...vaults.map((vault) => `${vault}.vault.azure.net`)] },
]

/** ConfigMap with the emulator's CA, in the namespace of pods that trust it. */
export const CA_CONFIG_MAP = 'emulator-ca'
const CA_FOLDER = '/etc/emulator'
const CA_PATH = `${CA_FOLDER}/ca.crt`
const TOKEN_FOLDER = '/var/run/secrets/azure/wi/token'
/** Seconds; the webhook of Azure workload identity asks for the same. */
const TOKEN_LIFETIME_S = 3600

export const caConfigMap = (namespace: string, caPem: string): object => ({
	apiVersion: 'v1',
	kind: 'ConfigMap',
	metadata: { namespace, name: CA_CONFIG_MAP },
	data: { 'ca.crt': caPem },
})

/**
 * Points the operator to the emulator: host names and the CA, which node reads when it starts and trusts besides the public
 * ones. Nothing that the operator itself is told differs from production.
 */
export function operatorPatch(hostAliases: readonly HostAlias[]): object {
	return {
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: { namespace: OPERATOR_NAMESPACE, name: OPERATOR_NAME },
		spec: {
			template: {
				spec: {
					hostAliases,
					containers: [
						{
							name: 'operator',
							env: [{ name: 'NODE_EXTRA_CA_CERTS', value: CA_PATH }],
							volumeMounts: [{ name: CA_CONFIG_MAP, mountPath: CA_FOLDER, readOnly: true }],
						},
					],
					volumes: [{ name: CA_CONFIG_MAP, configMap: { name: CA_CONFIG_MAP } }],
				},
			},
		},
	}
}

export interface PodIdentity {
	readonly serviceAccountName: string
	readonly clientId: string
	readonly tenantId: string
	readonly hostAliases: readonly HostAlias[]
}

export interface PodParts {
	readonly serviceAccountName: string
	readonly hostAliases: readonly HostAlias[]
	readonly volumes: readonly object[]
	/** These two belong to the container. */
	readonly env: ReadonlyArray<{ name: string; value: string }>
	readonly volumeMounts: ReadonlyArray<{ name: string; mountPath: string; readOnly: boolean }>
}

/**
 * What a pod spec needs so that a container calls the vault itself: what the webhook of Azure workload identity puts into a
 * pod on AKS, and the way to the emulator. The ConfigMap of the CA has to be in the pod's namespace.
 */
export function podParts({ serviceAccountName, clientId, tenantId, hostAliases }: PodIdentity): PodParts {
	return {
		serviceAccountName,
		hostAliases,
		env: [
			{ name: 'AZURE_TENANT_ID', value: tenantId },
			{ name: 'AZURE_CLIENT_ID', value: clientId },
			{ name: 'AZURE_FEDERATED_TOKEN_FILE', value: `${TOKEN_FOLDER}/azure-identity-token` },
			{ name: 'AZURE_AUTHORITY_HOST', value: 'https://login.microsoftonline.com/' },
			{ name: 'NODE_EXTRA_CA_CERTS', value: CA_PATH },
		],
		volumeMounts: [
			{ name: 'azure-identity-token', mountPath: TOKEN_FOLDER, readOnly: true },
			{ name: CA_CONFIG_MAP, mountPath: CA_FOLDER, readOnly: true },
		],
		volumes: [
			{ name: CA_CONFIG_MAP, configMap: { name: CA_CONFIG_MAP } },
			{
				name: 'azure-identity-token',
				projected: {
					sources: [
						{
							serviceAccountToken: {
								path: 'azure-identity-token',
								audience: EXCHANGE_AUDIENCE,
								expirationSeconds: TOKEN_LIFETIME_S,
							},
						},
					],
				},
			},
		],
	}
}
