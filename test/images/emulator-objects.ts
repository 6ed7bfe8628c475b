export const EMULATOR_NAMESPACE = 'azure-key-vault-emulator'
export const EMULATOR_NAME = 'emulator'
export const CONTROL_PORT = 8081
const HTTPS_PORT = 8443

export interface EmulatorObjectsOptions {
	readonly image: string
	readonly tenantId: string
	readonly vaults: readonly string[]
	/** The files of the CA folder, by name. */
	readonly ca: Readonly<Record<string, string>>
	/** Another text makes a new pod, and so an empty emulator. */
	readonly runId: string
}

/** The emulator as a pod behind a Service, in a namespace of its own; pods get the Service's address as hostAliases. */
export function emulatorObjects({ image, tenantId, vaults, ca, runId }: EmulatorObjectsOptions): object[] {
	const labels = { app: EMULATOR_NAME }
	const metadata = { namespace: EMULATOR_NAMESPACE, name: EMULATOR_NAME, labels }
	const args = [
		...['--names', 'production', '--host', '0.0.0.0', '--port', String(HTTPS_PORT)],
		...['--control-host', '0.0.0.0', '--control-port', String(CONTROL_PORT)],
		...['--tenant', tenantId, '--federate-in-cluster', '--ca-folder', '/ca'],
		...vaults.flatMap((vault) => ['--vault', vault]),
	]
	return [
		{
			apiVersion: 'v1',
			kind: 'Namespace',
			metadata: { name: EMULATOR_NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
		},
		// It may do nothing; its token only has to be one of this cluster, to read the issuer's keys.
		{ apiVersion: 'v1', kind: 'ServiceAccount', metadata },
		{ apiVersion: 'v1', kind: 'Secret', metadata: { ...metadata, name: 'emulator-ca' }, stringData: ca },
		{
			apiVersion: 'v1',
			kind: 'Service',
			metadata,
			spec: {
				selector: labels,
				ports: [
					{ name: 'https', port: 443, targetPort: HTTPS_PORT },
					{ name: 'control', port: CONTROL_PORT, targetPort: CONTROL_PORT },
				],
			},
		},
		{
			apiVersion: 'apps/v1',
			kind: 'Deployment',
			metadata,
			spec: {
				replicas: 1,
				// Its state is in memory: never two at once.
				strategy: { type: 'Recreate' },
				selector: { matchLabels: labels },
				template: {
					metadata: { labels, annotations: { 'secrets.purista.dev/test-run': runId } },
					spec: {
						serviceAccountName: EMULATOR_NAME,
						enableServiceLinks: false,
						terminationGracePeriodSeconds: 5,
						// fsGroup: so that the user may read the CA's key, and nobody else.
						securityContext: {
							runAsNonRoot: true,
							runAsUser: 65532,
							fsGroup: 65532,
							seccompProfile: { type: 'RuntimeDefault' },
						},
						containers: [
							{
								name: 'emulator',
								image,
								imagePullPolicy: 'IfNotPresent',
								args,
								ports: [{ containerPort: HTTPS_PORT }, { containerPort: CONTROL_PORT }],
								readinessProbe: { tcpSocket: { port: HTTPS_PORT }, periodSeconds: 1 },
								securityContext: {
									allowPrivilegeEscalation: false,
									readOnlyRootFilesystem: true,
									capabilities: { drop: ['ALL'] },
								},
								volumeMounts: [{ name: 'ca', mountPath: '/ca', readOnly: true }],
							},
						],
						volumes: [{ name: 'ca', secret: { secretName: 'emulator-ca', defaultMode: 0o440 } }],
					},
				},
			},
		},
	]
}
