import { randomUUID } from 'node:crypto'
import { GROUP } from '../api/constants.ts'
import { createEventRecorder } from '../cluster/events.ts'
import type { KubeAccess } from '../cluster/pod-access.ts'
import { createServiceAccounts } from '../cluster/serviceaccounts.ts'
import { createKubeTransport, type KubeTransport } from '../cluster/transport.ts'
import { createSymlinkStrategy, createTmpfsStrategy } from '../destinations/volume/strategy.ts'
import { createNodeMemory } from '../destinations/volume/volume.ts'
import { createForms } from '../forms/forms.ts'
import type { Clock, Random } from '../process/clock.ts'
import type { Logger } from '../process/log.ts'
import type { Metrics } from '../process/metrics.ts'
import { startProbes } from '../process/probes.ts'
import { createVaults } from '../vault/pool.ts'
import { createBindingWatches } from './bindings.ts'
import type { NodeConfig } from './config.ts'
import { createNodeMetrics, type NodeMetrics } from './metrics.ts'
import { createOfflineValues } from './offline.ts'
import { createReporter } from './report.ts'
import { csiRoutes, registrationRoutes } from './services.ts'
import { listen, type Socket } from './socket.ts'
import { createPodTokens } from './tokens.ts'
import { createVolumes, type Volumes } from './volumes.ts'

export interface NodeOptions {
	readonly config: NodeConfig
	readonly kubeConfig: KubeAccess
	readonly version: string
	readonly clock: Clock
	readonly random: Random
	readonly log: Logger
	readonly metrics: Metrics
	/** asks to stop */
	readonly signal: AbortSignal
}

// Sessions nobody uses, and what pods left behind, are looked for this often.
const TIDY_MS = 60_000

async function strategyOf({ mount, memoryRoot }: NodeOptions['config']) {
	const strategy = mount === 'symlink' ? createSymlinkStrategy(memoryRoot) : createTmpfsStrategy(memoryRoot)
	const problem = await strategy.problem()
	if (problem !== undefined) throw new Unservable(problem)
	return strategy
}

function eventsOf({ clock, config, metrics, log }: NodeOptions, transport: KubeTransport) {
	return createEventRecorder({
		transport,
		clock,
		reportingController: `${GROUP}/node`,
		reportingInstance: config.podName,
		// Of two processes in an upgrade, events of one time must not have one name.
		unique: () => randomUUID().replaceAll('-', '').slice(0, 16),
		observe: (result) => metrics.events.inc({ result }),
		onError: (error) => log.warn({ err: error }, 'event not recorded'),
	})
}

/**
 * The node role: serves the kubelet of one node. Resolves when it was asked to stop and nothing is written any more; the files of
 * pods stay, and the process is to be ended without closing the servers.
 *
 * @throws when the node cannot be served, with what to change
 */
export async function runNode(options: NodeOptions): Promise<void> {
	const { config, clock, random, log, metrics, signal } = options
	const strategy = await strategyOf(config)

	const transport = createKubeTransport({
		kubeConfig: options.kubeConfig,
		userAgent: `azure-secret-binding-node/${config.nodeName}`,
		observe: metrics.observeRequest,
	})
	const ofNode = createNodeMetrics(metrics)
	const state: { registered: boolean; socket: Socket | undefined } = { registered: false, socket: undefined }
	const tokens = createPodTokens(clock)
	const bindings = createBindingWatches({
		transport,
		clock,
		random,
		signal,
		observer: metrics.watchObserver('azuresecretbindings'),
	})
	const vaults = createVaults({ ...vaultOptions(options), tokens })
	const forms = createForms({ clock, observe: (result, seconds) => metrics.formSeconds.observe({ result }, seconds) })
	const events = eventsOf(options, transport)
	const memory = createNodeMemory(config.nodeMemory)
	const offline = createOfflineValues(clock)
	const volumes = createVolumes({
		clock,
		random,
		serviceAccounts: createServiceAccounts(transport, clock),
		vaults,
		makeForms: forms.make,
		strategy,
		memory,
		offline,
		bindings,
		tokens,
		root: config.memoryRoot,
		isServing: async () => (await state.socket?.isOurs()) ?? true,
		onNews: createReporter(events, log, ofNode),
	})
	const probes = await startProbes({
		port: config.port,
		healthPort: config.healthPort,
		live: () => undefined,
		ready: () => (state.registered ? undefined : 'the kubelet has not registered the driver'),
		metrics: {
			contentType: ofNode.contentType,
			text: () => {
				measure(ofNode, { volumes, bindings, memory, offline, registered: state.registered })
				return ofNode.text()
			},
		},
	})
	const registration = await serve(options, volumes, ofNode, state)
	try {
		await tidy(options, async () => {
			vaults.prune()
			offline.sweep()
			await volumes.sweep()
		})
	} finally {
		await registration.withdraw()
		await volumes.stop()
		await events.flush()
		forms.close()
		await probes.close()
		await transport.close()
	}
}

/** This node cannot be served as it is configured; the message says what to change. */
export class Unservable extends Error {
	override readonly name = 'Unservable'
}

/** The CSI socket first: the kubelet dials it as soon as it sees the other one. @returns that of the registration */
async function serve(
	{ config, version, log }: NodeOptions,
	volumes: Volumes,
	metrics: NodeMetrics,
	state: { registered: boolean; socket: Socket | undefined },
): Promise<Socket> {
	const { driver, kubeletRoot, nodeName } = config
	const endpoint = `${kubeletRoot}/plugins/${driver}/csi.sock`
	state.socket = await listen(
		endpoint,
		csiRoutes({
			driver,
			version,
			nodeName,
			podsRoot: `${kubeletRoot}/pods`,
			volumes,
			log,
			observe: (call, result, seconds) => metrics.calls.observe({ call, result }, seconds),
		}),
	)
	return listen(
		`${kubeletRoot}/plugins_registry/${driver}-reg.sock`,
		registrationRoutes({
			driver,
			endpoint,
			onRegistered(problem) {
				state.registered = problem === undefined
				if (problem === undefined) log.info({ driver }, 'registered')
				else log.error({ driver, problem }, 'not registered')
			},
		}),
	)
}

const vaultOptions = ({ config, clock, random, metrics }: NodeOptions) => ({
	clock,
	random,
	authorityHost: config.authorityHost,
	noProxy: config.noProxy,
	tokenProxy: config.tokenProxy,
	disableInstanceDiscovery: config.disableInstanceDiscovery,
	clusterName: config.clusterName ?? 'kubernetes',
	vaultSuffixes: config.vaultSuffixes,
	callsPerSecond: config.vaultRate,
	observeWait: (vault: string, lane: 'first' | 'refresh', seconds: number) =>
		metrics.vaultWait.observe({ vault, lane }, seconds),
	observeVault: (vault: string, kind: string, result: string) => metrics.vaultCalls.inc({ vault, kind, result }),
	observeToken: (issuer: 'kubernetes' | 'entra', result: 'ok' | 'error') => metrics.tokenCalls.inc({ issuer, result }),
})

function measure(
	metrics: NodeMetrics,
	now: {
		volumes: Volumes
		bindings: { size: number }
		memory: { bytes: number; limit: number }
		offline: { size: number }
		registered: boolean
	},
): void {
	metrics.registered.set(now.registered ? 1 : 0)
	metrics.volumes.set(now.volumes.size)
	metrics.waiting.set(now.volumes.waiting)
	metrics.bindings.set(now.bindings.size)
	metrics.bytes.set(now.memory.bytes)
	metrics.limit.set(now.memory.limit)
	metrics.offline.set(now.offline.size)
}

/** Until it was asked to stop. */
async function tidy({ clock, signal, log }: NodeOptions, work: () => Promise<void>): Promise<void> {
	while (!signal.aborted) {
		await work().catch((error: unknown) => log.warn({ err: error }, 'not tidied'))
		await clock.sleep(TIDY_MS, signal).catch(() => {})
	}
}
