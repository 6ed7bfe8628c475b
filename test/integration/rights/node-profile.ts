// The node role's rights as deploy/kustomize/node renders them, under names of their own on one API server, without its DaemonSet.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { applyObjects, type KubectlTarget, kubectl } from '../../kit/kubectl.ts'
import { type RawClient, rawClient } from '../../kit/raw-client.ts'
import { until } from '../../kit/until.ts'
import { type Manifest, renameClusterWide } from './profile.ts'
import { eventOf } from './scene.ts'

const KUSTOMIZATION = join(import.meta.dirname, '../../../deploy/kustomize/node')
/** name of the namespace, and of the ServiceAccount in it */
const NODE = 'azure-secret-binding-node'

export interface NodeProfile {
	readonly tag: string
	readonly home: string
	/** as the node role's ServiceAccount */
	readonly thief: RawClient
	remove(): Promise<void>
}

export async function installNodeProfile(target: KubectlTarget): Promise<NodeProfile> {
	const tag = `rights-${randomUUID().slice(0, 8)}`
	const home = `${tag}-node`
	const rendered = await kubectl(target, ['kustomize', KUSTOMIZATION])
	const moved = rendered
		.replaceAll(`namespace: ${NODE}\n`, `namespace: ${home}\n`)
		.replaceAll(`serviceaccount:${NODE}:`, `serviceaccount:${home}:`)
	const all = parseAllDocuments(moved).map((each) => each.toJS() as Manifest)
	const objects = all
		// Nobody runs here, and the driver of other tests is of the whole cluster.
		.filter(({ kind }) => kind !== 'DaemonSet' && kind !== 'CSIDriver')
		.map((each) => (each.kind === 'Namespace' ? { ...each, metadata: { ...each.metadata, name: home } } : each))
		.map((each) => renameClusterWide(each, tag))
	await kubectl(target, ['apply', '--server-side', '--force-conflicts', '-k', 'crds'])
	await applyObjects(target, objects)
	const token = (await kubectl(target, ['-n', home, 'create', 'token', NODE, '--duration=1h'])).trim()
	const thief = rawClient(target, token)
	await until('the rights and the policy', async () => {
		const path = `/apis/events.k8s.io/v1/namespaces/${home}/events?dryRun=All`
		// Of another reporter, which the policy refuses.
		const body = eventOf(home, 'probe')
		return (await thief({ method: 'POST', path, body })).text.includes(`${tag}-${NODE}-events`)
	})
	return {
		tag,
		home,
		thief,
		async remove() {
			await kubectl(target, ['delete', '--wait=false', '--ignore-not-found', '-f', '-'], {
				input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
			})
		},
	}
}
