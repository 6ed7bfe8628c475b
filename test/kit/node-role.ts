// The node role in the cluster of the tests, and pods that mount volumes of it.
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { rollout } from '../emulator/src/kind/install.ts'
import { CA_CONFIG_MAP, caConfigMap, hostAliasesFor } from '../emulator/src/kind/pods.ts'
import { applyObjects, getObject, kubectl } from './kubectl.ts'
import type { Tenant } from './tenant.ts'
import type { World } from './world.ts'

export const NODE_NAMESPACE = 'azure-secret-binding-node'
const DAEMON_SET = 'azure-secret-binding-node'
const KUSTOMIZATION = join(import.meta.dirname, '../../deploy/kustomize/node')
const CA_FOLDER = '/etc/emulator'
export const MOUNT_PATH = '/var/run/secrets/payments'

/** Installs deploy/kustomize/node with the way to the emulator. Each call rolls it out anew. */
export async function installNodeRole(world: World): Promise<void> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-node-'))
	try {
		const write = (name: string, content: object) => writeFileSync(join(folder, name), JSON.stringify(content))
		const image = world.images.operator
		const colon = image.lastIndexOf(':')
		write('kustomization.yaml', {
			apiVersion: 'kustomize.config.k8s.io/v1beta1',
			kind: 'Kustomization',
			resources: [relative(realpathSync(folder), KUSTOMIZATION), 'ca.yaml'],
			images: [
				{ name: 'azure-secret-binding-operator', newName: image.slice(0, colon), newTag: image.slice(colon + 1) },
			],
			patches: [{ path: 'daemonset.yaml' }],
		})
		write('ca.yaml', caConfigMap(NODE_NAMESPACE, world.emulator.caPem))
		write('daemonset.yaml', {
			apiVersion: 'apps/v1',
			kind: 'DaemonSet',
			metadata: { namespace: NODE_NAMESPACE, name: DAEMON_SET },
			spec: {
				template: {
					metadata: { annotations: { 'secrets.purista.dev/test-run': randomUUID() } },
					spec: {
						hostAliases: hostAliasesFor(world.emulator.ip, world.vaults),
						containers: [
							{
								name: 'node',
								imagePullPolicy: 'IfNotPresent',
								env: [{ name: 'NODE_EXTRA_CA_CERTS', value: `${CA_FOLDER}/ca.crt` }],
								volumeMounts: [{ name: CA_CONFIG_MAP, mountPath: CA_FOLDER, readOnly: true }],
							},
						],
						volumes: [{ name: CA_CONFIG_MAP, configMap: { name: CA_CONFIG_MAP } }],
					},
				},
			},
		})
		await kubectl(world.target, ['apply', '--server-side', '--force-conflicts', '-k', folder])
	} finally {
		rmSync(folder, { recursive: true, force: true })
	}
	await rollout(world.target, NODE_NAMESPACE, `daemonset/${DAEMON_SET}`)
}

/** After the pods that have volumes: without the driver they cannot end. */
export const removeNodeRole = (world: World): Promise<string> =>
	kubectl(world.target, ['delete', '-k', KUSTOMIZATION, '--ignore-not-found', '--wait=false'])

export interface VolumePodOptions {
	readonly name: string
	readonly binding?: string
	readonly serviceAccount?: string
	readonly fsGroup?: number
	readonly attributes?: Record<string, string>
	/** by name; default: one of `binding` at MOUNT_PATH */
	readonly volumes?: Record<string, { binding: string; path: string }>
	/** of the volumes; the mounts say nothing of it */
	readonly readOnly?: boolean
}

/** Starts a pod that mounts volumes of bindings and does nothing. It keeps every rule of the Pod Security level `restricted`. */
export async function startVolumePod(world: World, tenant: Tenant, options: VolumePodOptions): Promise<void> {
	await applyObjects(world.target, [volumePod(world, tenant, options)])
}

/** The object of it, to make many at once. */
export function volumePod(world: World, tenant: Tenant, options: VolumePodOptions): object {
	const { name, binding = 'payments', serviceAccount = tenant.serviceAccount, fsGroup, attributes = {} } = options
	const { volumes = { secrets: { binding, path: MOUNT_PATH } }, readOnly = true } = options
	const mounts = Object.entries(volumes).map(([volume, { path }]) => ({ name: volume, mountPath: path }))
	return {
		apiVersion: 'v1',
		kind: 'Pod',
		metadata: { namespace: tenant.namespace, name },
		spec: {
			serviceAccountName: serviceAccount,
			automountServiceAccountToken: false,
			terminationGracePeriodSeconds: 0,
			securityContext: {
				runAsNonRoot: true,
				seccompProfile: { type: 'RuntimeDefault' },
				...(fsGroup === undefined ? {} : { fsGroup }),
			},
			containers: [
				{
					name: 'app',
					image: world.images.service,
					imagePullPolicy: 'IfNotPresent',
					command: ['/usr/local/bin/node', '-e', 'setInterval(() => {}, 1e6)'],
					securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
					volumeMounts: mounts,
				},
			],
			volumes: Object.entries(volumes).map(([volume, each]) => ({
				name: volume,
				csi: {
					driver: 'secrets.purista.dev',
					readOnly,
					volumeAttributes: { binding: each.binding, ...attributes },
				},
			})),
		},
	}
}

export const podRuns = (world: World, tenant: Tenant, name: string, timeoutS = 60): Promise<string> =>
	kubectl(world.target, [
		'-n',
		tenant.namespace,
		'wait',
		`pod/${name}`,
		'--for=condition=Ready',
		`--timeout=${timeoutS}s`,
	])

export interface PodFile {
	readonly sha256: string
	readonly bytes: number
	readonly mode: string
	readonly gid: number
}

// Prints no values: only what they are told by.
const READ = `
const fs = require('node:fs'), { createHash } = require('node:crypto')
const dir = process.argv[1], files = {}
for (const name of fs.readdirSync(dir)) if (!name.startsWith('..')) {
	const bytes = fs.readFileSync(dir + '/' + name), { mode, gid } = fs.statSync(dir + '/' + name)
	files[name] = { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length, mode: (mode & 0o777).toString(8), gid }
}
const mount = fs.readFileSync('/proc/mounts', 'utf8').split('\\n').find((line) => line.split(' ')[1] === dir) ?? ''
console.log(JSON.stringify({ files, mount }))`

export async function filesOf(
	world: World,
	tenant: Tenant,
	name: string,
	path: string = MOUNT_PATH,
): Promise<{ files: Record<string, PodFile>; mount: string }> {
	const text = await inPod(world, tenant, name, READ, [path])
	return JSON.parse(text) as { files: Record<string, PodFile>; mount: string }
}

/** Runs a script of node in a pod. @returns what it printed */
export const inPod = (
	world: World,
	tenant: Tenant,
	pod: string,
	script: string,
	args: string[] = [],
): Promise<string> =>
	kubectl(world.target, ['-n', tenant.namespace, 'exec', pod, '--', '/usr/local/bin/node', '-e', script, ...args])

export async function eventsOf(world: World, tenant: Tenant, pod: string): Promise<{ reason: string; note: string }[]> {
	const { items } = await getObject<{ items: { reason: string; note?: string; regarding: { name: string } }[] }>(
		world.target,
		['-n', tenant.namespace, 'events.events.k8s.io'],
	)
	return items.filter(({ regarding }) => regarding.name === pod).map(({ reason, note = '' }) => ({ reason, note }))
}

export const deletePod = (world: World, tenant: Tenant, name: string): Promise<string> =>
	kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pod', name, '--timeout=60s'])

/** Runs a script of node where the node role runs. @returns what it printed */
export const inNodeRole = (world: World, script: string): Promise<string> =>
	kubectl(world.target, [
		...['-n', NODE_NAMESPACE, 'exec', `daemonset/${DAEMON_SET}`, '--', '/usr/local/bin/node', '-e', script],
	])

/** Its metrics, as text. */
export const metricsOfNodeRole = (world: World): Promise<string> =>
	inNodeRole(
		world,
		`fetch('http://127.0.0.1:8080/metrics').then((answer) => answer.text()).then((text) => process.stdout.write(text))`,
	)

/** Names in the node's memory directory, as the node role sees it, but for the lock of its writers, which holds nothing and stays. */
export async function volumesOnNode(world: World): Promise<string[]> {
	const script = `console.log(JSON.stringify(require('node:fs').readdirSync('/run/secrets.purista.dev')))`
	const names = JSON.parse(await inNodeRole(world, script)) as string[]
	return names.filter((name) => name !== '.lock')
}

export const sha256 = (value: string): string => createHash('sha256').update(value).digest('hex')
