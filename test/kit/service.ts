import type { HostAlias } from '../images/overlay.ts'
import { EXCHANGE_AUDIENCE, type Tenant } from './tenant.ts'

/** How the demo PURISTA service is run as a pod. */
export interface ServicePodOptions {
	readonly tenant: Tenant
	readonly name?: string
	readonly image: string
	/** The Kubernetes Secret that the binding delivers. */
	readonly secretName: string
	readonly tenantId: string
	/** Names of Entra and of the vaults, to the address of the emulator. */
	readonly hostAliases: readonly HostAlias[]
	/** PEM of the CA that signed the emulator's certificates. */
	readonly caPem: string
}

/** Where the secrets are mounted in the service's pod. */
export const MOUNT_PATH = '/var/run/secrets/payments'
export const SERVICE_PORT = 8080

/**
 * ConfigMap and Deployment of the service. The environment and the projected token are what the webhook of Azure
 * workload identity puts into a pod on AKS; hostAliases and the CA are the test's way to the emulator.
 */
export function serviceObjects(options: ServicePodOptions): object[] {
	const { tenant, image, secretName, tenantId } = options
	const name = options.name ?? 'payments'
	const labels = { app: name }
	return [
		{
			apiVersion: 'v1',
			kind: 'ConfigMap',
			metadata: { namespace: tenant.namespace, name: 'emulator-ca' },
			data: { 'ca.crt': options.caPem },
		},
		{
			apiVersion: 'apps/v1',
			kind: 'Deployment',
			metadata: { namespace: tenant.namespace, name, labels },
			spec: {
				replicas: 1,
				selector: { matchLabels: labels },
				template: {
					metadata: { labels },
					spec: {
						serviceAccountName: tenant.serviceAccount,
						hostAliases: options.hostAliases,
						// Nothing to hand over at the end, and a test that deletes the pod should not wait 30 s for it.
						terminationGracePeriodSeconds: 5,
						securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
						containers: [
							{
								name: 'service',
								image,
								imagePullPolicy: 'IfNotPresent',
								env: [
									{ name: 'MOUNT_PATH', value: MOUNT_PATH },
									{ name: 'VAULT_URL', value: tenant.vaultUrl },
									{ name: 'AZURE_TENANT_ID', value: tenantId },
									{ name: 'AZURE_CLIENT_ID', value: tenant.clientId },
									{ name: 'AZURE_FEDERATED_TOKEN_FILE', value: '/var/run/secrets/azure/wi/token/azure-identity-token' },
									{ name: 'AZURE_AUTHORITY_HOST', value: 'https://login.microsoftonline.com/' },
									{ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/emulator/ca.crt' },
								],
								ports: [{ containerPort: SERVICE_PORT }],
								readinessProbe: { httpGet: { path: '/readyz', port: SERVICE_PORT }, periodSeconds: 1 },
								securityContext: {
									allowPrivilegeEscalation: false,
									readOnlyRootFilesystem: true,
									capabilities: { drop: ['ALL'] },
								},
								volumeMounts: [
									{ name: 'secrets', mountPath: MOUNT_PATH, readOnly: true },
									{ name: 'azure-identity-token', mountPath: '/var/run/secrets/azure/wi/token', readOnly: true },
									{ name: 'emulator-ca', mountPath: '/etc/emulator', readOnly: true },
								],
							},
						],
						volumes: [
							{ name: 'secrets', secret: { secretName } },
							{ name: 'emulator-ca', configMap: { name: 'emulator-ca' } },
							{
								name: 'azure-identity-token',
								projected: {
									sources: [
										{
											serviceAccountToken: {
												path: 'azure-identity-token',
												audience: EXCHANGE_AUDIENCE,
												expirationSeconds: 3600,
											},
										},
									],
								},
							},
						],
					},
				},
			},
		},
	]
}
