// The emulator as a pod of a cluster.
import { OPERATOR_NAMESPACE } from './identity.ts'

export const EMULATOR_NAMESPACE = 'azure-key-vault-emulator'
export const EMULATOR_NAME = 'emulator'
export const DEFAULT_IMAGE = 'azure-key-vault-emulator:dev'
export const CONTROL_PORT = 8081
/** Secret with the files of the CA folder. */
export const CA_SECRET = 'emulator-ca'
const SEED_SECRET = 'emulator-seed'
const SEED_FILE = 'seed.json'
const HTTPS_PORT = 8443

export interface EmulatorObjectsOptions {
	readonly image: string
	readonly tenantId: string
	readonly vaults: readonly string[]
	/** The files of the CA folder, by name. */
	readonly ca: Readonly<Record<string, string>>
	/** Another text makes a new pod, and so an emulator as seeded. */
	readonly runId: string
	/** Address of the Service; absent: one that the cluster chooses. */
	readonly clusterIP?: string
	/** What `--seed` reads. Holds values, so it is in a Secret. */
	readonly seed?: object
}

/** Namespace, Service and Deployment; pods get the Service's address as hostAliases. */
export function emulatorObjects(options: EmulatorObjectsOptions): object[] {
	const { ca, clusterIP, seed } = options
	const metadata = { namespace: EMULATOR_NAMESPACE, name: EMULATOR_NAME, labels: LABELS }
	const secret = (name: string, stringData: Readonly<Record<string, string>>): object => ({
		...{ apiVersion: 'v1', kind: 'Secret', metadata: { ...metadata, name }, stringData },
	})
	return [
		{
			apiVersion: 'v1',
			kind: 'Namespace',
			metadata: { name: EMULATOR_NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
		},
		// It may do nothing; its token only has to be one of this cluster, to read the issuer's keys.
		{ apiVersion: 'v1', kind: 'ServiceAccount', metadata },
		secret(CA_SECRET, ca),
		...(seed === undefined ? [] : [secret(SEED_SECRET, { [SEED_FILE]: JSON.stringify(seed) })]),
		{
			apiVersion: 'v1',
			kind: 'Service',
			metadata,
			spec: {
				...(clusterIP === undefined ? {} : { clusterIP }),
				selector: LABELS,
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
				selector: { matchLabels: LABELS },
				template: {
					metadata: { labels: LABELS, annotations: { 'azure-key-vault-emulator/run': options.runId } },
					spec: podSpec(options),
				},
			},
		},
	]
}

const LABELS = { app: EMULATOR_NAME }

function podSpec({ image, tenantId, vaults, seed }: EmulatorObjectsOptions): object {
	const seeded = seed !== undefined
	return {
		serviceAccountName: EMULATOR_NAME,
		enableServiceLinks: false,
		terminationGracePeriodSeconds: 5,
		// fsGroup: so that the user may read the CA's key and the seed, and nobody else.
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
				args: [
					...['--names', 'production', '--host', '0.0.0.0', '--port', String(HTTPS_PORT)],
					...['--control-host', '0.0.0.0', '--control-port', String(CONTROL_PORT)],
					...['--tenant', tenantId, '--federate-in-cluster', '--ca-folder', '/ca'],
					...vaults.flatMap((vault) => ['--vault', vault]),
					...(seeded ? ['--seed', `/seed/${SEED_FILE}`] : []),
				],
				ports: [{ containerPort: HTTPS_PORT }, { containerPort: CONTROL_PORT }],
				readinessProbe: { tcpSocket: { port: HTTPS_PORT }, periodSeconds: 1 },
				securityContext: {
					allowPrivilegeEscalation: false,
					readOnlyRootFilesystem: true,
					capabilities: { drop: ['ALL'] },
				},
				volumeMounts: [
					{ name: 'ca', mountPath: '/ca', readOnly: true },
					...(seeded ? [{ name: 'seed', mountPath: '/seed', readOnly: true }] : []),
				],
			},
		],
		volumes: [
			{ name: 'ca', secret: { secretName: CA_SECRET, defaultMode: 0o440 } },
			...(seeded ? [{ name: 'seed', secret: { secretName: SEED_SECRET, defaultMode: 0o440 } }] : []),
		],
	}
}

/** The operator's namespace, word for word as its own manifests have it, so that either may be applied first. */
export const operatorNamespace = (): object => ({
	apiVersion: 'v1',
	kind: 'Namespace',
	metadata: {
		name: OPERATOR_NAMESPACE,
		labels: {
			'app.kubernetes.io/part-of': 'azure-secret-binding',
			'pod-security.kubernetes.io/enforce': 'restricted',
			'pod-security.kubernetes.io/audit': 'restricted',
			'pod-security.kubernetes.io/warn': 'restricted',
		},
	},
})
