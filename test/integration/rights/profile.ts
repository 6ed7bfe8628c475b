// A profile of deploy/kustomize as it is rendered, under names of its own, so that several stand side by side on one API server.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { ensureCluster } from '../../cluster/index.ts'
import { applyObjects, type KubectlTarget, kubectl } from '../../kit/kubectl.ts'
import { type RawClient, rawClient } from '../../kit/raw-client.ts'
import { until } from '../../kit/until.ts'

const DEPLOY = join(import.meta.dirname, '../../../deploy')
const SYSTEM = 'azure-secret-binding-system'
export const ACCOUNT = 'azure-secret-binding-operator'
/** Objects of the whole cluster get a prefix; names of others stay. */
const CLUSTER_WIDE = [
	'ClusterRole',
	'ClusterRoleBinding',
	'ValidatingAdmissionPolicy',
	'ValidatingAdmissionPolicyBinding',
]

export interface Manifest {
	readonly apiVersion: string
	readonly kind: string
	readonly metadata: { readonly name: string; readonly namespace?: string }
	readonly roleRef?: { readonly kind: string; readonly name: string }
	readonly spec?: { readonly policyName?: string }
}

export type ProfileName = 'default' | 'everywhere' | 'namespaced'

export interface Profile {
	readonly target: KubectlTarget
	/** prefix of names of the whole cluster */
	readonly tag: string
	/** the operator's namespace, with its ServiceAccount */
	readonly home: string
	/** as the operator's ServiceAccount */
	readonly thief: RawClient
	readonly token: string
	/** The RoleBinding of deploy/examples, in this namespace. */
	grant(namespace: string): Promise<void>
	/** The Role of deploy/kustomize/namespaced/tenant, which names the ServiceAccount `payments` and the Secret `payments-secrets`. */
	grantNamed(namespace: string): Promise<void>
	/** objects of the profile, as applied */
	readonly objects: readonly Manifest[]
	remove(): Promise<void>
}

export async function connectTarget(): Promise<KubectlTarget> {
	const quiet = { step: <T>(_: string, run: (say: (detail: string) => void) => Promise<T>) => run(() => {}) }
	return ensureCluster({ progress: quiet, holder: 'integration tests of rights' })
}

export async function installProfile(target: KubectlTarget, name: ProfileName): Promise<Profile> {
	const tag = `rights-${randomUUID().slice(0, 8)}`
	const home = `${tag}-system`
	const renamed = (text: string) =>
		parseAllDocuments(text.replaceAll(SYSTEM, home)).map((each) => renameClusterWide(each.toJS() as Manifest, tag))
	const all = renamed(await render(target, name))
	// Nobody runs here, and the resource is the same for all.
	const objects = all.filter(({ kind }) => kind !== 'Deployment' && kind !== 'CustomResourceDefinition')
	await kubectl(target, ['apply', '--server-side', '--force-conflicts', '-k', 'crds'])
	await applyObjects(target, objects)
	const token = (await kubectl(target, ['-n', home, 'create', 'token', ACCOUNT, '--duration=1h'])).trim()
	const thief = rawClient(target, token)
	const apply = (text: string, namespace: string) => {
		const grants = renamed(text.replaceAll('namespace: payments', `namespace: ${namespace}`))
		return applyObjects(
			target,
			grants.filter(({ kind }) => kind === 'Role' || kind === 'RoleBinding'),
		)
	}
	await until('the admission policies', async () => {
		const path = `/api/v1/namespaces/${home}/secrets?dryRun=All`
		const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'probe' } }
		return (await thief({ method: 'POST', path, body })).text.includes(`${tag}-azure-secret-binding-secrets`)
	})
	return {
		target,
		tag,
		home,
		thief,
		token,
		objects,
		grant: async (namespace) => {
			await apply(readFileSync(join(DEPLOY, 'examples/payments.yaml'), 'utf8'), namespace)
		},
		grantNamed: async (namespace) => {
			await apply(await kubectl(target, ['kustomize', join(DEPLOY, 'kustomize/namespaced/tenant')]), namespace)
		},
		async remove() {
			await kubectl(target, ['delete', '--wait=false', '--ignore-not-found', '-f', '-'], {
				input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
			})
		},
	}
}

async function render(target: KubectlTarget, name: ProfileName): Promise<string> {
	if (name === 'default') return kubectl(target, ['kustomize', join(DEPLOY, 'kustomize')])
	if (name === 'namespaced') return kubectl(target, ['kustomize', join(DEPLOY, 'kustomize/namespaced')])
	// As a user writes it: an overlay with the component.
	const folder = realpathSync(mkdtempSync(join(tmpdir(), 'asb-everywhere-')))
	try {
		const path = relative(folder, realpathSync(join(DEPLOY, 'kustomize')))
		const kustomization = { resources: [path], components: [`${path}/everywhere`] }
		writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
		return await kubectl(target, ['kustomize', folder])
	} finally {
		rmSync(folder, { recursive: true, force: true })
	}
}

export function renameClusterWide(object: Manifest, tag: string): Manifest {
	const { kind, metadata, roleRef, spec } = object
	return {
		...object,
		...(CLUSTER_WIDE.includes(kind) && { metadata: { ...metadata, name: `${tag}-${metadata.name}` } }),
		...(roleRef?.kind === 'ClusterRole' && { roleRef: { ...roleRef, name: `${tag}-${roleRef.name}` } }),
		...(spec?.policyName && { spec: { ...spec, policyName: `${tag}-${spec.policyName}` } }),
	}
}
