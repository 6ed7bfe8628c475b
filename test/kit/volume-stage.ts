// What each test of memory volumes begins with: the node role, and a tenant that granted the operator nothing on Secrets.
import { OPERATOR_NAME, OPERATOR_NAMESPACE } from '../emulator/src/kind/identity.ts'
import { applyObjects, getObject, kubectl } from './kubectl.ts'
import { eventsOf, installNodeRole, NODE_NAMESPACE } from './node-role.ts'
import { createTenant, type Tenant, type TenantOptions } from './tenant.ts'
import { until } from './until.ts'
import type { World } from './world.ts'

/** Spec of a binding that is delivered by volumes. */
export const volume = (options: Record<string, unknown> = {}) => ({
	delivery: { type: 'Volume', ...(Object.keys(options).length > 0 ? { volume: options } : {}) },
})

/** Installs the node role once for the test files of a run: each roll out takes as long as a test. */
export async function ensureNodeRole(world: World): Promise<void> {
	const list = await getObject<{ items: { metadata: { name: string; deletionTimestamp?: string } }[] }>(world.target, [
		'namespaces',
	])
	const namespace = list.items.find(({ metadata }) => metadata.name === NODE_NAMESPACE)
	if (namespace?.metadata.deletionTimestamp !== undefined)
		await kubectl(world.target, ['wait', `namespace/${NODE_NAMESPACE}`, '--for=delete', '--timeout=120s'])
	const sets = await getObject<{ items: { metadata: { labels?: Record<string, string> } }[] }>(world.target, [
		...['-n', NODE_NAMESPACE, 'daemonsets'],
	])
	if (sets.items.some(({ metadata }) => metadata.labels?.[RUN] === runOf(world))) return
	await installNodeRole(world)
	await kubectl(world.target, [
		'-n',
		NODE_NAMESPACE,
		'label',
		'daemonset',
		'--all',
		'--overwrite',
		`${RUN}=${runOf(world)}`,
	])
}

const RUN = 'secrets.purista.dev/test-world'
/** The folder of the world is one for each run. */
const runOf = ({ folder }: World) => folder.split('-').at(-1) ?? ''

/** A tenant whose pods keep the Pod Security level `restricted`. The operator may list its vault, and nothing on Secrets. */
export async function createVolumeTenant(
	world: World,
	options: Pick<TenantOptions, 'name' | 'vault'> & Partial<TenantOptions>,
): Promise<Tenant> {
	const tenant = await createTenant({ ...world, grant: false, ...options })
	const label = 'pod-security.kubernetes.io/enforce=restricted'
	await kubectl(world.target, ['label', 'namespace', tenant.namespace, label, '--overwrite'])
	await applyObjects(world.target, [
		{
			apiVersion: 'rbac.authorization.k8s.io/v1',
			kind: 'RoleBinding',
			metadata: { namespace: tenant.namespace, name: 'azure-secret-binding' },
			roleRef: {
				apiGroup: 'rbac.authorization.k8s.io',
				kind: 'ClusterRole',
				name: 'azure-secret-binding-tenant-volume',
			},
			subjects: [{ kind: 'ServiceAccount', namespace: OPERATOR_NAMESPACE, name: OPERATOR_NAME }],
		},
	])
	return tenant
}

/** Ends the pods first: without the driver they cannot end. */
export async function removeVolumeTenant(world: World, tenant: Tenant | undefined): Promise<void> {
	if (!tenant) return
	await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pods', '--all', '--timeout=90s'])
	await tenant.remove()
}

/** The event of a pod with this reason whose text holds `text`. */
export const eventOf = (world: World, tenant: Tenant, pod: string, reason: string, text = ''): Promise<string> =>
	until(`an event ${reason} of the pod ${pod} with "${text}"`, async () => {
		const events = await eventsOf(world, tenant, pod)
		return events.find((event) => event.reason === reason && event.note.includes(text))?.note
	})
