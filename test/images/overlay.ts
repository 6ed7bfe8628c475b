import { mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { OPERATOR_NAME as NAME, OPERATOR_NAMESPACE as NAMESPACE } from '../emulator/src/kind/identity.ts'
import { caConfigMap, type HostAlias, operatorPatch } from '../emulator/src/kind/pods.ts'

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
		patches: [{ path: 'deployment.yaml' }, { path: 'run.yaml' }],
	})
	write('emulator-ca.yaml', caConfigMap(NAMESPACE, caPem))
	write('deployment.yaml', operatorPatch(hostAliases))
	write('run.yaml', {
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: { namespace: NAMESPACE, name: NAME },
		spec: {
			template: {
				metadata: { annotations: { 'secrets.purista.dev/test-run': runId } },
				spec: { containers: [{ name: 'operator', imagePullPolicy: 'IfNotPresent' }] },
			},
		},
	})
}
