// The installed system as demo, end-to-end tests and benchmarks see it: cluster, emulator, operator, images.
import { randomBytes, randomUUID } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { type EmulatorControl, emulatorControl } from 'azure-key-vault-emulator'
import { createKubeTransport, type KubeTransport } from '../../operator/src/cluster/transport.ts'
import { type Cluster, ensureCluster, type Progress } from '../cluster/index.ts'
import { hostAliasesFor } from '../emulator/src/kind/pods.ts'
import { buildImages, type Images } from '../images/index.ts'
import { installEmulator, installOperator, OPERATOR_NAMESPACE } from '../images/install.ts'
import type { MountedFiles } from '../service/src/files.ts'
import { applyObjects, getObject, type KubectlTarget } from './kubectl.ts'
import { SERVICE_PORT, serviceObjects } from './service.ts'
import type { Tenant } from './tenant.ts'

/** What a process needs to use the installed system; plain JSON, handed to test processes in a file. */
interface WorldState {
	readonly target: KubectlTarget
	readonly images: Images
	readonly tenantId: string
	readonly emulator: {
		readonly ip: string
		readonly caPem: string
		readonly proxyPath: string
		readonly namespace: string
	}
	readonly vaults: readonly string[]
	/** Folder for canaries and for what the system printed. */
	readonly folder: string
	readonly auditLog: string | undefined
}

/** One change as the service's `onChange` listener saw it. */
export interface SeenChange {
	/** Milliseconds since the epoch, by the clock of the service's machine. */
	readonly at: number
	/** Change time of the `..data` link when the listener ran, ms since the epoch. */
	readonly swappedAt?: number
	readonly changes: ReadonlyArray<{ name: string; kind: string; version?: string }>
}

export interface World extends WorldState {
	readonly operator: { readonly namespace: string; readonly serviceAccount: string; readonly podSelector: string }
	readonly control: EmulatorControl
	readonly api: KubeTransport
	/** A new random value that no output of the system may ever hold. */
	canary(name: string): string
	/** Deploys the PURISTA service into the tenant's namespace, mounting the Secret of the binding. */
	startService(tenant: Tenant, options?: { name?: string; secretName?: string }): Promise<void>
	/** Name of the service's present pod. */
	servicePod(tenant: Tenant, name?: string): Promise<string>
	mountedFiles(tenant: Tenant): Promise<MountedFiles>
	changes(tenant: Tenant): Promise<SeenChange[]>
	/** First 12 hex digits of the SHA-256 of what `context.secrets` answers in the service; null when it has none. */
	fingerprint(tenant: Tenant, name: string): Promise<string | null>
	/** Makes the service store a new random secret through `context.secrets`; answers its fingerprint. */
	renew(tenant: Tenant, name: string): Promise<string>
	/** Ends connections; where the world was opened, its folder goes, too. */
	close(): Promise<void>
}

const STATE_VARIABLE = 'ASB_WORLD'

/** Brings the whole system up, each part as a step of `progress`. `vaults` are the vaults the emulator will have. */
export async function openWorld(options: {
	progress: Progress
	holder: string
	vaults: readonly string[]
}): Promise<{ world: World; cluster: Cluster }> {
	const { progress, holder, vaults } = options
	const cluster = await ensureCluster({ progress, holder })
	const images = await buildImages({ cluster, progress })
	const tenantId = randomUUID()
	const emulator = await installEmulator({ cluster, progress, image: images.emulator, tenantId, vaults })
	await installOperator({ cluster, progress, image: images.operator, emulator, vaults })
	const state: WorldState = {
		target: { kubectl: cluster.kubectl, kubeconfig: cluster.kubeconfig, context: cluster.context, env: cluster.env },
		images,
		tenantId,
		emulator,
		vaults,
		folder: mkdtempSync(join(tmpdir(), 'asb-world-')),
		auditLog: await cluster.auditLog(),
	}
	const world = worldOf(state)
	// Canaries are values: they go with the process that made the world.
	const close = async () => {
		await world.close()
		rmSync(state.folder, { recursive: true, force: true })
	}
	return { world: { ...world, close }, cluster }
}

/** Leaves word for test processes that this one starts. */
export function announceWorld(world: World): void {
	const { target, images, tenantId, emulator, vaults, folder, auditLog } = world
	const file = join(folder, 'world.json')
	writeFileSync(file, JSON.stringify({ target, images, tenantId, emulator, vaults, folder, auditLog }), { mode: 0o600 })
	process.env[STATE_VARIABLE] = file
}

/** The system that the parent process announced. */
export async function connectWorld(): Promise<World> {
	const file = process.env[STATE_VARIABLE]
	if (!file)
		throw new Error(`${STATE_VARIABLE} is not set: run these tests with \`npm test\`, which installs what they need`)
	return worldOf(JSON.parse(readFileSync(file, 'utf8')) as WorldState)
}

function worldOf(state: WorldState): World {
	const kubeConfig = new KubeConfig()
	kubeConfig.loadFromFile(state.target.kubeconfig)
	kubeConfig.setCurrentContext(state.target.context)
	const api = createKubeTransport({ kubeConfig, userAgent: 'azure-secret-binding-tests' })
	const control = emulatorControl(state.emulator.proxyPath, proxyFetch(api))

	const servicePod = async (tenant: Tenant, name = 'payments') => {
		const pods = await getObject<{
			items: Array<{ metadata: { name: string; deletionTimestamp?: string }; status: { phase: string } }>
		}>(state.target, ['-n', tenant.namespace, 'pods', '-l', `app=${name}`])
		const pod = pods.items.find((each) => each.status.phase === 'Running' && !each.metadata.deletionTimestamp)
		if (!pod) throw new Error(`no running pod of ${name} in ${tenant.namespace}`)
		return pod.metadata.name
	}
	const service = async <T>(tenant: Tenant, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> =>
		api.request<T>({
			method,
			path: `/api/v1/namespaces/${tenant.namespace}/pods/${await servicePod(tenant)}:${SERVICE_PORT}/proxy${path}`,
			...(body === undefined ? {} : { body }),
		})

	return {
		...state,
		operator: {
			namespace: OPERATOR_NAMESPACE,
			serviceAccount: 'azure-secret-binding-operator',
			podSelector: 'app.kubernetes.io/name=azure-secret-binding-operator',
		},
		control,
		api,
		canary: (name) => {
			// Characters that every escaping treats differently, so that each shape of the scanner is a different text.
			const value = `${name}/"${randomBytes(18).toString('base64')}"+&=\\ü`
			appendFileSync(join(state.folder, 'canaries.jsonl'), `${JSON.stringify({ name, value })}\n`, { mode: 0o600 })
			return value
		},
		startService: async (tenant, { name = 'payments', secretName = 'payments-secrets' } = {}) => {
			const hostAliases = hostAliasesFor(state.emulator.ip, state.vaults)
			const { tenantId, emulator, images } = state
			await applyObjects(
				state.target,
				serviceObjects({
					tenant,
					name,
					image: images.service,
					secretName,
					tenantId,
					hostAliases,
					caPem: emulator.caPem,
				}),
			)
		},
		servicePod,
		mountedFiles: (tenant) => service(tenant, 'GET', '/files'),
		changes: (tenant) => service(tenant, 'GET', '/changes'),
		fingerprint: async (tenant, name) =>
			(await service<{ fingerprint: string | null }>(tenant, 'POST', '/fingerprint', { name })).fingerprint,
		renew: async (tenant, name) =>
			(await service<{ fingerprint: string }>(tenant, 'POST', '/renew', { name })).fingerprint,
		close: () => api.close(),
	}
}

/** `fetch` through the API server's service proxy, with the kubeconfig's credentials. */
function proxyFetch(api: KubeTransport): typeof fetch {
	return async (input, init) => {
		const url = String(input)
		const body = typeof init?.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined
		const method = (init?.method ?? 'GET') as 'GET' | 'POST'
		const [path = '', search = ''] = url.split('?')
		const answer = await api.request<unknown>({
			method,
			path,
			query: Object.fromEntries(new URLSearchParams(search)),
			...(body === undefined ? {} : { body }),
		})
		return Response.json(answer ?? {})
	}
}
