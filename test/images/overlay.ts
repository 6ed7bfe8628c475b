import { mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Names of Entra and of vaults, to the address of the emulator. */
export interface HostAlias {
	readonly ip: string
	readonly hostnames: readonly string[]
}

export interface OverlayOptions {
	/** The kustomization to build upon, absolute. */
	readonly base: string
	readonly image: string
	readonly hostAliases: readonly HostAlias[]
	/** PEM of the CA that signed the emulator's certificates. */
	readonly caPem: string
	/** Another text makes new pods, although image tag and everything else stay the same. */
	readonly runId: string
}

const NAMESPACE = 'azure-secret-binding-system'
const NAME = 'azure-secret-binding-operator'

/** The host names that pods use for these vaults in production. */
export const hostAliasesFor = (ip: string, vaults: readonly string[]): HostAlias[] => [
	{ ip, hostnames: ['login.microsoftonline.com', ...vaults.map((vault) => `${vault}.vault.azure.net`)] },
]

/**
 * Writes a kustomization into `folder` that installs `base` for tests: a local image, the emulator under the production
 * names, its CA. Nothing that the operator itself is told differs from production. The files are JSON, which is YAML too.
 */
export function writeOverlay(folder: string, options: OverlayOptions): void {
	const { base, image, hostAliases, caPem, runId } = options
	mkdirSync(folder, { recursive: true })
	const write = (name: string, content: object) => writeFileSync(join(folder, name), JSON.stringify(content, null, 2))
	const colon = image.lastIndexOf(':')
	write('kustomization.yaml', {
		apiVersion: 'kustomize.config.k8s.io/v1beta1',
		kind: 'Kustomization',
		sortOptions: { order: 'fifo' },
		// kustomize accepts no absolute path. The folder is resolved because a link in it would make `..` mean something else.
		resources: [relative(realpathSync(folder), realpathSync(base)), 'emulator-ca.yaml'],
		images: [{ name: NAME, newName: image.slice(0, colon), newTag: image.slice(colon + 1) }],
		patches: [{ path: 'deployment.yaml' }],
	})
	write('emulator-ca.yaml', {
		apiVersion: 'v1',
		kind: 'ConfigMap',
		metadata: { namespace: NAMESPACE, name: 'emulator-ca' },
		data: { 'ca.crt': caPem },
	})
	write('deployment.yaml', {
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: { namespace: NAMESPACE, name: NAME },
		spec: {
			template: {
				metadata: { annotations: { 'secrets.purista.dev/test-run': runId } },
				spec: {
					hostAliases,
					containers: [
						{
							name: 'operator',
							imagePullPolicy: 'IfNotPresent',
							// Read by node when it starts: the CA is trusted besides the public ones.
							env: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/emulator/ca.crt' }],
							volumeMounts: [{ name: 'emulator-ca', mountPath: '/etc/emulator', readOnly: true }],
						},
					],
					volumes: [{ name: 'emulator-ca', configMap: { name: 'emulator-ca' } }],
				},
			},
		},
	})
}
