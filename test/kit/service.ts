import { caConfigMap, type HostAlias, podParts } from '../emulator/src/kind/pods.ts'
import type { Tenant } from './tenant.ts'

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
	const { env, volumeMounts, volumes, ...pod } = podParts({
		serviceAccountName: tenant.serviceAccount,
		clientId: tenant.clientId,
		tenantId,
		hostAliases: options.hostAliases,
	})
	return [
		caConfigMap(tenant.namespace, options.caPem),
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
						...pod,
						// Nothing to hand over at the end, and a test that deletes the pod should not wait 30 s for it.
						terminationGracePeriodSeconds: 5,
						securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
						containers: [
							{
								name: 'service',
								image,
								imagePullPolicy: 'IfNotPresent',
								env: [{ name: 'MOUNT_PATH', value: MOUNT_PATH }, { name: 'VAULT_URL', value: tenant.vaultUrl }, ...env],
								ports: [{ containerPort: SERVICE_PORT }],
								readinessProbe: { httpGet: { path: '/readyz', port: SERVICE_PORT }, periodSeconds: 1 },
								securityContext: {
									allowPrivilegeEscalation: false,
									readOnlyRootFilesystem: true,
									capabilities: { drop: ['ALL'] },
								},
								volumeMounts: [{ name: 'secrets', mountPath: MOUNT_PATH, readOnly: true }, ...volumeMounts],
							},
						],
						volumes: [{ name: 'secrets', secret: { secretName } }, ...volumes],
					},
				},
			},
		},
	]
}
