// The chart in the cluster of the tests: Helm as a user calls it, what is there before and after, and the way back.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ensureCluster } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { run } from '../cluster/run.ts'
import { rollout } from '../emulator/src/kind/install.ts'
import { CA_CONFIG_MAP, caConfigMap, hostAliasesFor } from '../emulator/src/kind/pods.ts'
import { helmProgram } from '../helm/program.ts'
import { installOperator, OPERATOR_NAMESPACE } from '../images/install.ts'
import { applyObjects, kubectl } from './kubectl.ts'
import { NODE_NAMESPACE } from './node-role.ts'
import type { World } from './world.ts'

const execute = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const KUSTOMIZE = join(ROOT, 'deploy/kustomize')
/** The chart as it was before the CRD had `offlineFor`; a release replaces it with its own. */
export const PREVIOUS_CHART: string = join(ROOT, 'test/release/previous/azure-secret-binding-0.0.9.tgz')
export const RELEASE = 'azure-secret-binding'
export const CRD = 'azuresecretbindings.secrets.purista.dev'
/** Milliseconds: Helm's own `--wait` ends after five minutes. */
const TIMEOUT_MS = 320_000

export interface HelmScene {
	/** Runs Helm against the cluster of the tests. Rejects with what it said. */
	helm(...args: string[]): Promise<string>
	/** The present chart as `helm package` makes it. */
	readonly chart: string
	/** The same operator under another tag, so that an upgrade replaces its pod. */
	readonly nextTag: string
	/** Flags that a user of a private registry, and of the emulator, gives. */
	values(tag?: string): string[]
	/** Takes away what this file and kustomize installed, the CRD with all bindings too. */
	clear(): Promise<void>
	/** Names of all objects of the cluster and of the namespaces of the operator and of these tenants. */
	objects(tenants?: readonly string[]): Promise<Set<string>>
	/** Everything as it was before this file. */
	close(): Promise<void>
}

/** @returns undefined: no Go here to build Helm with */
export async function openHelmScene(world: World): Promise<HelmScene | undefined> {
	const program = await helmProgram()
	if (!program) return undefined
	const progress = createProgress()
	const cluster = await ensureCluster({ progress, holder: 'tests of the chart in the cluster' })
	const folder = mkdtempSync(join(tmpdir(), 'asb-helm-'))
	const { target, emulator, images, vaults } = world
	const helm = async (...args: string[]) => {
		const access = ['--kubeconfig', target.kubeconfig, '--kube-context', target.context]
		const { stdout } = await execute(program, [...args, ...access], {
			timeout: TIMEOUT_MS,
			// Its folders hold what a user configured; here nothing.
			env: { ...process.env, HELM_CONFIG_HOME: folder, HELM_CACHE_HOME: folder, HELM_DATA_HOME: folder },
		})
		return stdout
	}
	await execute(program, ['package', join(ROOT, 'deploy/helm/azure-secret-binding'), '--destination', folder])
	const [repository = '', tag = ''] = [images.operator.slice(0, images.operator.lastIndexOf(':')), 'dev']
	const nextTag = `${tag}-next`
	await run('docker', ['tag', images.operator, `${repository}:${nextTag}`], { env: { ...process.env, ...cluster.env } })
	await cluster.loadImages([`${repository}:${nextTag}`])
	const clear = () => clearCluster(world, helm)
	return {
		helm,
		chart: join(folder, 'azure-secret-binding-0.1.0.tgz'),
		nextTag,
		values: (given = tag) =>
			[
				`image.repository=${repository}`,
				`image.tag=${given}`,
				'image.pullPolicy=IfNotPresent',
				'emulator.enabled=true',
				`emulator.ip=${emulator.ip}`,
				`emulator.vaults={${vaults.join()}}`,
			].flatMap((each) => ['--set', each]),
		clear,
		objects: (tenants = []) => objectNames(world, [OPERATOR_NAMESPACE, NODE_NAMESPACE, ...tenants]),
		close: async () => {
			await clear()
			await installOperator({ cluster, progress, image: images.operator, emulator, vaults })
			rmSync(folder, { recursive: true, force: true })
		},
	}
}

async function clearCluster(world: World, helm: HelmScene['helm']): Promise<void> {
	const releases = JSON.parse(await helm('list', '--namespace', OPERATOR_NAMESPACE, '--output', 'json')) as {
		name: string
	}[]
	for (const { name } of releases) await helm('uninstall', name, '--namespace', OPERATOR_NAMESPACE, '--wait')
	const all = await kubectl(world.target, ['kustomize', KUSTOMIZE])
	// The namespace stays, with the emulator's CA in it: deleting it takes longer than everything else.
	const objects = all.split(/^---$/m).filter((each) => !/^kind: Namespace$/m.test(each))
	await kubectl(world.target, ['delete', '-f', '-', '--ignore-not-found', '--wait'], { input: objects.join('---\n') })
}

/** Kinds that come and go by themselves; the API server makes an APIService for each CRD. */
const PASSING = new Set(['Event', 'APIService', 'EndpointSlice', 'Endpoints', 'Lease', 'CSINode', 'Namespace'])

async function objectNames({ target }: World, namespaces: readonly string[]): Promise<Set<string>> {
	const kinds = await kubectl(target, ['api-resources', '--verbs=list', '-o', 'name'])
	const line = '{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{"\\n"}{end}'
	const list = [...new Set(kinds.trim().split('\n'))].filter((kind) => !kind.endsWith('metrics.k8s.io')).join()
	const names = await kubectl(target, ['get', list, '-A', '-o', `jsonpath=${line}`])
	const ours = names.split('\n').filter((each) => {
		const [kind = '', name = ''] = each.split(' ')
		const [namespace = ''] = name.split('/')
		// The operator's own lease and its namespaces count; others may make theirs meanwhile.
		if (kind === 'Namespace') return namespaces.includes(name.slice(1))
		if (kind === 'Lease') return namespace === OPERATOR_NAMESPACE
		return kind !== '' && !PASSING.has(kind) && (namespace === '' || namespaces.includes(namespace))
	})
	return new Set(ours)
}

/** A line of deploy/README.md that begins so, as arguments: what stands after the chart's path. */
export function documentedFlags(start: string): string[] {
	const readme = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8').replaceAll('\\\n', ' ')
	const line = readme.split('\n').find((each) => each.startsWith(start))
	if (!line) throw new Error(`deploy/README.md has no line that begins with ${start}`)
	const words = line.split(/\s+/)
	return words.slice(words.indexOf('deploy/helm/azure-secret-binding') + 1)
}

/** Leads the node role to the emulator, which the chart's values do for the operator alone. */
export async function leadNodeRole({ target, emulator, vaults }: World): Promise<void> {
	const folder = '/etc/emulator'
	const name = 'daemonset/azure-secret-binding-node'
	const container = {
		name: 'node',
		env: [{ name: 'NODE_EXTRA_CA_CERTS', value: `${folder}/ca.crt` }],
		volumeMounts: [{ name: CA_CONFIG_MAP, mountPath: folder, readOnly: true }],
	}
	const spec = {
		hostAliases: hostAliasesFor(emulator.ip, vaults),
		containers: [container],
		volumes: [{ name: CA_CONFIG_MAP, configMap: { name: CA_CONFIG_MAP } }],
	}
	await applyObjects(target, [caConfigMap(NODE_NAMESPACE, emulator.caPem)])
	const patch = JSON.stringify({ spec: { template: { spec } } })
	await kubectl(target, ['-n', NODE_NAMESPACE, 'patch', name, '--type=strategic', '-p', patch])
	await rollout(target, NODE_NAMESPACE, name)
}

/** How late the policies come, milliseconds: issue and chart say that the operator waits for them. */
const LATE_MS = 20_000

/** Runs Helm without the policies and applies these only after a while: no order of objects helps who waits for nothing. */
export async function withLatePolicies(world: World, scene: HelmScene, ...args: string[]): Promise<string> {
	const show = ['--namespace', OPERATOR_NAMESPACE, '--show-only', 'templates/fence.yaml']
	const policies = await scene.helm('template', RELEASE, scene.chart, ...show)
	const helm = scene.helm(...args, '--set', 'fence.enabled=false')
	const early = helm.then(() => {
		throw new Error('Helm called the operator ready before its policies were there')
	})
	await Promise.race([sleep(LATE_MS), early])
	early.catch(() => {})
	await kubectl(world.target, ['apply', '--server-side', '-f', '-'], { input: policies })
	return helm
}
