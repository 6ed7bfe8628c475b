import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from './context.ts'
import { type Docker, docker, tryDocker } from './docker.ts'
import { CLUSTER_NAME } from './paths.ts'
import { run, tryRun } from './run.ts'

/** Where the audit folder is in the node, and in the API server's pod. */
const AUDIT_MOUNT = '/var/log/azure-secret-binding'
/** Ready after 22 to 27 s on two cores; a loaded machine may take several times that. */
const READY_TIMEOUT = '180s'
export const CONTEXT_NAME = `kind-${CLUSTER_NAME}`

/** What is needed to talk to a kind cluster. */
export interface KindTools {
	readonly engine: Docker
	readonly kind: string
	readonly kubectl: string
}

/** File of the audit log, readable by us: the API server writes it as root, and we may be somebody else. */
export async function auditFile(context: Context, tools: Pick<KindTools, 'engine'>): Promise<string> {
	const file = join(context.paths.audit, 'audit.log')
	if (process.getuid?.() !== 0)
		await docker(tools.engine, ['exec', `${CLUSTER_NAME}-control-plane`, 'chmod', 'a+r', `${AUDIT_MOUNT}/audit.log`])
	return file
}

/** Configuration of the cluster: one node, audit log in a folder of this machine, nothing else of the machine mounted. */
export function kindConfig(auditFolder: string): object {
	const apiServer = {
		extraArgs: [
			{ name: 'audit-policy-file', value: `${AUDIT_MOUNT}/policy.yaml` },
			{ name: 'audit-log-path', value: `${AUDIT_MOUNT}/audit.log` },
			// Megabytes: more than a test run writes, so that it is one file.
			{ name: 'audit-log-maxsize', value: '2000' },
		],
		extraVolumes: [{ name: 'audit', hostPath: AUDIT_MOUNT, mountPath: AUDIT_MOUNT, pathType: 'Directory' }],
	}
	const cluster = { apiVersion: 'kubeadm.k8s.io/v1beta4', kind: 'ClusterConfiguration', apiServer }
	// Accepted by a kubelet on cgroup v2 as well; a node image built here has it already.
	const kubelet = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration', failCgroupV1: false }
	return {
		kind: 'Cluster',
		apiVersion: 'kind.x-k8s.io/v1alpha4',
		name: CLUSTER_NAME,
		kubeadmConfigPatches: [cluster, kubelet].map((patch) => JSON.stringify(patch)),
		nodes: [{ role: 'control-plane', extraMounts: [{ hostPath: auditFolder, containerPath: AUDIT_MOUNT }] }],
	}
}

const kindEnvironment = (context: Context, tools: KindTools) => ({
	...tools.engine.env,
	// kind calls `docker` by its name.
	PATH: `${context.paths.bin}:${tools.engine.env['PATH'] ?? ''}`,
	KUBECONFIG: context.paths.kubeconfig,
	KIND_EXPERIMENTAL_PROVIDER: 'docker',
})

/** Arguments of kubectl that can only mean this cluster. */
const target = (context: Context) => ['--kubeconfig', context.paths.kubeconfig, '--context', CONTEXT_NAME]

/** True when the cluster is there and its API server is ready. */
export async function clusterAnswers(context: Context, tools: KindTools): Promise<boolean> {
	const answer = await tryRun(tools.kubectl, [...target(context), 'get', '--raw', '/readyz', '--request-timeout=5s'], {
		timeoutMs: 10_000,
	})
	return answer?.trim() === 'ok'
}

export async function createCluster(context: Context, tools: KindTools, image: string): Promise<void> {
	const { paths, signal } = context
	rmSync(paths.audit, { recursive: true, force: true })
	mkdirSync(paths.audit, { recursive: true })
	copyFileSync(join(import.meta.dirname, 'assets', 'audit-policy.yaml'), join(paths.audit, 'policy.yaml'))
	const config = join(paths.cache, 'kind.json')
	writeFileSync(config, JSON.stringify(kindConfig(paths.audit), undefined, '\t'))
	const log = join(paths.logs, 'kind-create.log')
	rmSync(log, { force: true })
	// --retain: kind's own clean-up would take the node away before its logs are read (below).
	const args = [
		'create',
		'cluster',
		'--config',
		config,
		'--image',
		image,
		'--wait',
		READY_TIMEOUT,
		'--kubeconfig',
		paths.kubeconfig,
		'--retain',
	]
	try {
		await run(tools.kind, args, { env: kindEnvironment(context, tools), log, signal })
	} catch (error) {
		await tryRun(tools.kind, ['export', 'logs', '--name', CLUSTER_NAME, join(paths.logs, 'kind-node')], {
			env: kindEnvironment(context, tools),
			timeoutMs: 60_000,
		})
		throw error
	}
	await run(
		tools.kubectl,
		[...target(context), '-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', `--timeout=${READY_TIMEOUT}`],
		{
			log,
			signal,
		},
	)
}

/** Deletes the cluster, and the docker network when it was not there before. Works on parts of a cluster, too. */
export async function deleteCluster(
	context: Context,
	tools: Pick<KindTools, 'engine'>,
	ownsNetwork: boolean,
): Promise<void> {
	// What `kind delete cluster` does, without needing kind: a crash may have come before it was built.
	const nodes = await nodesOf(tools.engine)
	if (nodes.length > 0) await docker(tools.engine, ['rm', '--force', '--volumes', ...nodes])
	if (ownsNetwork && (await hasKindNetwork(tools.engine))) await docker(tools.engine, ['network', 'rm', 'kind'])
	rmSync(context.paths.audit, { recursive: true, force: true })
	rmSync(join(context.paths.cache, 'kind.json'), { force: true })
	rmSync(context.paths.kubeconfig, { force: true })
}

export async function hasKindNetwork(engine: Docker): Promise<boolean> {
	return (await tryDocker(engine, ['network', 'inspect', 'kind'])) !== undefined
}

/** Names of the nodes of a cluster with our name, whoever made it. */
export async function nodesOf(engine: Docker): Promise<string[]> {
	const label = `label=io.x-k8s.kind.cluster=${CLUSTER_NAME}`
	const names = await docker(engine, ['ps', '--all', '--filter', label, '--format', '{{.Names}}'])
	return names.split('\n').filter((line) => line !== '')
}

/** Brings images of the engine into the node. kind skips what is there already, and compares by content, not by name. */
export async function loadImages(context: Context, tools: KindTools, tags: readonly string[]): Promise<void> {
	if (tags.length === 0) return
	const log = join(context.paths.logs, 'kind-load.log')
	const env = { ...kindEnvironment(context, tools), TMPDIR: context.paths.temporary }
	mkdirSync(context.paths.temporary, { recursive: true })
	await run(tools.kind, ['load', 'docker-image', '--name', CLUSTER_NAME, ...tags], { env, log, signal: context.signal })
}
