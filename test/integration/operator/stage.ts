// The operator in this process, between the real API server of the test cluster and the emulator in this process.
import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import { type Emulator, startEmulator } from 'azure-key-vault-emulator'
import { MANIFEST_FILE } from 'purista-azure-mounted-secret-store/manifest'
import type { BindingStatus, Condition } from '../../../operator/src/api/schema.ts'
import { createKubeTransport, type KubeTransport } from '../../../operator/src/cluster/transport.ts'
import { isKubeError } from '../../../operator/src/ports/kube-error.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { createLogger } from '../../../operator/src/process/log.ts'
import { createMetrics, type Metrics } from '../../../operator/src/process/metrics.ts'
import { startOperator } from '../../../operator/src/run/operator.ts'
import { ensureCluster } from '../../cluster/index.ts'
import { hurried } from '../../kit/hurried.ts'
import type { Versioned } from '../../kit/kstatus.ts'
import { type KubectlTarget, kubectl } from '../../kit/kubectl.ts'
import { portAgent } from '../../kit/port-agent.ts'
import { until } from '../../kit/until.ts'
import { recordStatuses } from './status-versions.ts'

export const AUDIENCE = 'api://AzureADTokenExchange'
export const ROLE = 'Key Vault Secrets User'

export interface BindingObject {
	metadata: { name: string; uid: string; generation: number; resourceVersion: string }
	status?: BindingStatus
}

export interface SecretView {
	metadata: {
		name: string
		uid: string
		resourceVersion: string
		labels?: Record<string, string>
		annotations?: Record<string, string>
		ownerReferences?: { kind: string; name: string; uid: string }[]
	}
	type: string
	data?: Record<string, string>
}

export interface RunningOperator {
	metrics: Metrics
	/** everything it logged */
	logs: string[]
	/** resolves when it leads and has seen all bindings */
	ready: Promise<void>
	/** resolves when it has ended, rejects when it ended for a fault */
	done: Promise<void>
	stop(): Promise<void>
}

export interface StartOptions {
	/** default: that of the stage */
	namespaces?: readonly string[]
	/** namespace of the lease and of the operator itself; default: that of the stage */
	home?: string
	/** its own ServiceAccount there; default: the one that also reads the vaults */
	serviceAccount?: string
	/** default: the administrator of the cluster */
	kubeConfig?: KubeConfig
	/** name of its pod; default: a random one */
	identity?: string
	/** default true: the tests are an administrator of the cluster, whom the policies do not bind */
	allowUnfenced?: boolean
	/** whether to wait until it works; default true */
	wait?: boolean
}

export interface Stage {
	target: KubectlTarget
	api: KubeTransport
	namespace: string
	emulator: Emulator
	vault: string
	clientId: string
	issuer: string
	subject: string
	/** host and port of the API server */
	address: { host: string; port: number }
	/** To `server` instead of the API server itself, or with a token instead of the administrator's certificate. */
	connect(options: { server?: string; token?: string }): KubeConfig
	/** A further namespace with the ServiceAccount `payments`, which Entra trusts as well. */
	addNamespace(name: string): Promise<void>
	/** Starts an operator. */
	start(options?: StartOptions): Promise<RunningOperator>
	create(path: string, body: object): Promise<void>
	merge(path: string, body: object, query?: Record<string, string>): Promise<void>
	apply(name: string, spec: Record<string, unknown>, namespace?: string): Promise<void>
	annotate(name: string, annotations: Record<string, string | null>): Promise<void>
	remove(name: string): Promise<void>
	binding(name: string, namespace?: string): Promise<BindingObject>
	secret(name: string, namespace?: string): Promise<SecretView | undefined>
	/** Every version that the binding had so far, oldest first. */
	versions(name: string, namespace?: string): readonly Versioned[]
	/** Waits for the binding, its status being about its present spec, to satisfy `is`. */
	wait(name: string, what: string, is: (binding: BindingObject) => unknown, timeoutMs?: number): Promise<BindingObject>
	/** Rejects when a status broke a rule of `test/kit/kstatus.ts` at any time. */
	close(): Promise<void>
}

export const condition = ({ status }: BindingObject, type: string): Condition | undefined =>
	status?.conditions?.find((each) => each.type === type)
export const isTrue = (binding: BindingObject, type: string) => condition(binding, type)?.status === 'True'
export const value = (secret: SecretView | undefined, key: string) =>
	secret?.data?.[key] === undefined ? undefined : Buffer.from(secret.data[key], 'base64').toString('utf8')
export const manifest = (secret: SecretView | undefined) =>
	JSON.parse(value(secret, MANIFEST_FILE) ?? 'null') as unknown
export const azLine = (text: string) =>
	text.split('\n').find((line) => line.startsWith('az ')) ?? `no az line in: ${text}`
export const kubectlLine = (text: string) =>
	text.split('\n').find((line) => line.startsWith('kubectl ')) ?? `no kubectl line in: ${text}`

const GROUP_PATH = '/apis/secrets.purista.dev/v1alpha1'

export interface StageOptions {
	name: string
	/** how many times faster durations pass for the operator; default 10 */
	times?: number
	/** default: federated and with the role */
	federate?: boolean
	role?: boolean
	/** of the emulator on 127.0.0.1; default: a free one */
	port?: number
}

export async function openStage({
	name,
	federate = true,
	role = true,
	times = 10,
	port: own = 0,
}: StageOptions): Promise<Stage> {
	const quiet = { step: <T>(_: string, run: (say: (detail: string) => void) => Promise<T>) => run(() => {}) }
	const cluster = await ensureCluster({ progress: quiet, holder: 'integration tests of the operator' })
	const kubeConfig = new KubeConfig()
	kubeConfig.loadFromFile(cluster.kubeconfig)
	kubeConfig.setCurrentContext(cluster.context)
	const [server, user] = [kubeConfig.getCurrentCluster(), kubeConfig.getCurrentUser()]
	if (!server || !user) throw new Error(`the context ${cluster.context} has no cluster or no user`)
	const { hostname, port } = new URL(server.server)
	const api = createKubeTransport({ kubeConfig, userAgent: 'azure-secret-binding-tests' })
	await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '-k', 'crds'])

	const namespace = `asb-${name}-${randomUUID().slice(0, 8)}`
	const vault = `v-${name}`
	const clientId = randomUUID()
	const subjectIn = (of: string) => `system:serviceaccount:${of}:payments`
	const subject = subjectIn(namespace)
	// The names of production, because the resource takes no others; the agent leads them to the port of the emulator.
	const emulator = await startEmulator({
		names: 'production',
		vaults: [{ name: vault }],
		visibilityDelayMs: 0,
		port: own,
	})
	const { issuer } = await api.request<{ issuer: string }>({ method: 'GET', path: '/.well-known/openid-configuration' })
	// Answered only to those who accept its own media type; kubectl accepts any.
	const jwks = JSON.parse(await kubectl(cluster, ['get', '--raw', '/openid/v1/jwks'])) as {
		keys: Record<string, unknown>[]
	}
	const { control } = emulator
	await control.trustIssuer({ issuer, jwks })
	await control.addClient({ clientId, name: namespace })
	if (federate) await control.addFederatedCredential({ clientId, name: 'cluster', issuer, subject, audience: AUDIENCE })
	if (role) await control.grant({ clientId, role: ROLE, vault })

	const create = async (path: string, body: object) => {
		await api.request({ method: 'POST', path, body })
	}
	const merge = async (path: string, body: object, query?: Record<string, string>) => {
		await api.request({ method: 'PATCH', path, body, ...(query ? { query } : {}) })
	}
	const namespaces: string[] = []
	const statuses = recordStatuses(api)
	const bindingsIn = (of: string) => `${GROUP_PATH}/namespaces/${of}/azuresecretbindings`
	const createNamespace = async (of: string) => {
		await create('/api/v1/namespaces', { metadata: { name: of } })
		namespaces.push(of)
		await statuses.follow(bindingsIn(of))
		await create(`/api/v1/namespaces/${of}/serviceaccounts`, {
			metadata: {
				name: 'payments',
				annotations: {
					'azure.workload.identity/client-id': clientId,
					'azure.workload.identity/tenant-id': emulator.tenantId,
				},
			},
		})
	}
	await createNamespace(namespace)

	const bindings = bindingsIn(namespace)
	const binding = (of: string, where = namespace) =>
		api.request<BindingObject>({ method: 'GET', path: `${bindingsIn(where)}/${of}` })
	const running: RunningOperator[] = []

	return {
		target: cluster,
		api,
		namespace,
		emulator,
		vault,
		clientId,
		issuer,
		subject,
		create,
		merge,
		binding,
		address: { host: hostname, port: Number(port || 443) },
		connect({ server: through = server.server, token }) {
			const config = new KubeConfig()
			// Whatever stands in between, the certificate is that of the API server; an address cannot be a TLS server name.
			const behind = {
				...server,
				server: through,
				...(isIP(hostname) ? {} : { tlsServerName: hostname }),
				// The client library takes plain HTTP, as of a gateway, only from whoever asks for no verification.
				...(through.startsWith('http:') ? { skipTLSVerify: true } : {}),
			}
			config.loadFromClusterAndUser(behind, token ? { name: 'token', token } : user)
			return config
		},
		async addNamespace(of) {
			await createNamespace(of)
			await control.addFederatedCredential({ clientId, name: of, issuer, subject: subjectIn(of), audience: AUDIENCE })
		},
		async start({
			namespaces: watched = [namespace],
			home = namespace,
			serviceAccount = 'payments',
			kubeConfig: own = kubeConfig,
			identity = randomUUID(),
			allowUnfenced = true,
			wait = true,
		} = {}) {
			const stopping = new AbortController()
			const logs: string[] = []
			const clock = hurried(times)
			const metrics = createMetrics({ clock, process: false })
			const operator = await startOperator({
				kubeConfig: own,
				clock,
				leaseClock: systemClock,
				random: Math.random,
				log: createLogger({ level: 'debug', destination: { write: (line: string) => void logs.push(line) } }),
				metrics,
				signal: stopping.signal,
				namespace: home,
				serviceAccount,
				identity,
				allowUnfenced,
				namespaces: watched,
				clusterName: 'integration',
				agent: portAgent(emulator.agent(), emulator.port),
			})
			const one: RunningOperator = {
				metrics,
				logs,
				ready: operator.ready,
				done: operator.done,
				async stop() {
					stopping.abort(new Error('the test stops the operator'))
					await operator.done.finally(() => metrics.close())
				},
			}
			running.push(one)
			if (wait) await operator.ready
			return one
		},
		async apply(of, spec, where = namespace) {
			const object = {
				apiVersion: 'secrets.purista.dev/v1alpha1',
				kind: 'AzureSecretBinding',
				metadata: { name: of },
				spec: {
					vault: { url: `https://${vault}.vault.azure.net` },
					identity: { serviceAccountName: 'payments' },
					delivery: { secret: { name: `${of}-secrets` } },
					refresh: { interval: '5s' },
					...spec,
				},
			}
			await api.request({
				method: 'PATCH',
				path: `${bindingsIn(where)}/${of}`,
				query: { fieldManager: 'tests', force: 'true' },
				contentType: 'application/apply-patch+yaml',
				body: object,
			})
		},
		annotate: (of, annotations) => merge(`${bindings}/${of}`, { metadata: { annotations } }),
		async remove(of) {
			await api.request({ method: 'DELETE', path: `${bindings}/${of}` })
		},
		async secret(of, where = namespace) {
			try {
				return await api.request<SecretView>({ method: 'GET', path: `/api/v1/namespaces/${where}/secrets/${of}` })
			} catch (error) {
				if (isKubeError(error, 'notFound')) return undefined
				throw error
			}
		},
		versions: (of, where = namespace) => statuses.versions(`${bindingsIn(where)}/${of}`),
		async wait(of, what, is, timeoutMs = 60_000) {
			let last: BindingObject | undefined
			try {
				return await until(
					what,
					async () => {
						last = await binding(of)
						return last.status?.observedGeneration === last.metadata.generation && is(last) ? last : undefined
					},
					{ timeoutMs, everyMs: 100 },
				)
			} catch (error) {
				const logs = running.flatMap((each) => each.logs).slice(-12)
				throw new Error(`${String(error)}\nstatus: ${JSON.stringify(last?.status, null, 1)}\n${logs.join('')}`, {
					cause: error,
				})
			}
		},
		async close() {
			// One that a test killed has ended by a fault.
			await Promise.allSettled(running.map((each) => each.stop()))
			const broken = await statuses.end()
			for (const of of namespaces) await api.request({ method: 'DELETE', path: `/api/v1/namespaces/${of}` })
			await api.close()
			await emulator.close()
			if (broken.length > 0) throw new Error(broken.join('\n'))
		},
	}
}
