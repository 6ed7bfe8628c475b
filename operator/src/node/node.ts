import { randomUUID } from 'node:crypto'
import type { Agent } from 'node:https'
import { join } from 'node:path'
import { GROUP } from '../api/constants.ts'
import { createEventRecorder } from '../cluster/events.ts'
import type { KubeAccess } from '../cluster/pod-access.ts'
import { createServiceAccounts } from '../cluster/serviceaccounts.ts'
import { createKubeTransport, type KubeTransport } from '../cluster/transport.ts'
import { createWriterLock } from '../destinations/mount/lock.ts'
import { createNodeMemory } from '../destinations/volume/memory.ts'
import { createSymlinkStrategy, type MountStrategy } from '../destinations/volume/strategy.ts'
import { createForms } from '../forms/forms.ts'
import type { Clock, Random } from '../process/clock.ts'
import { createCollector } from '../process/collect.ts'
import type { Logger } from '../process/log.ts'
import type { Metrics } from '../process/metrics.ts'
import { startProbes } from '../process/probes.ts'
import { createVaults } from '../vault/pool.ts'
import { NODE_RATE } from '../vault/rate.ts'
import { createBindingWatches } from './binding-watches.ts'
import { usePlainHeaders } from './headers.ts'
import type { NodeConfig } from './node-config.ts'
import { createNodeMetrics, type NodeMetrics } from './node-metrics.ts'
import { createOfflineValues } from './offline.ts'
import { createReporter } from './pod-events.ts'
import { csiRoutes } from './services.ts'
import { createServing, type ServingOptions } from './serving.ts'
import { createPodTokens } from './tokens.ts'
import { createValueRoom } from './value-room.ts'
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
	/** connections to vaults and Entra; default: those of the session */
	readonly agent?: Agent | undefined
}

// Sessions nobody uses, and what pods left behind, are looked for this often.
const TIDY_MS = 60_000
// An upgrade that is taken back leaves the node unserved for so long, and twice that until it is certain.
const CHECK_MS = 1_000
// Values settle within 2 s of a rotation, and are then read once more.
const COLLECT_MS = 3_000
// Beside the volumes, whose names begin otherwise.
const LOCK = '.lock'
// The pods of a rollout come to a busy node for minutes, and each is to find what the one before it was told: fifty cost one read. Where the
// binding says that something changed nothing of before counts; where nobody polls, a right that was taken away starts pods for so long.
const LONGEST_ANSWER_MS = 5 * 60_000

async function strategyOf({ memoryRoot }: NodeOptions['config']) {
	const strategy = createSymlinkStrategy(memoryRoot)
	const problem = await strategy.problem()
	if (problem !== undefined) throw new Unservable(problem)
	return strategy
}

// Of fifty pods that start at once each gets an event, and nobody waits for those: with a connection each they took 4 MB.
const MAX_CONNECTIONS = 8

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

/** The volumes of this node, and what they are made of. */
function partsOf(options: NodeOptions, strategy: MountStrategy, transport: KubeTransport) {
	const { config, clock, random, log, metrics, signal } = options
	const ofNode = createNodeMetrics(metrics)
	const tokens = createPodTokens(clock)
	const observer = metrics.watchObserver('azuresecretbindings')
	const bindings = createBindingWatches({ transport, clock, random, signal, observer })
	const vaults = createVaults({ ...vaultOptions(options), tokens })
	const forms = createForms({ clock, observe: (result, seconds) => metrics.formSeconds.observe({ result }, seconds) })
	const events = eventsOf(options, transport)
	const memory = createNodeMemory(config.nodeMemory)
	const offline = createOfflineValues(clock, memory)
	const lock = createWriterLock(join(config.memoryRoot, LOCK), clock)
	const room = createValueRoom(clock)
	const volumes = createVolumes({
		clock,
		random,
		serviceAccounts: createServiceAccounts(transport, clock),
		vaults,
		makeForms: forms.make,
		strategy,
		memory,
		lock,
		room,
		offline,
		bindings,
		tokens,
		root: config.memoryRoot,
		isServing: () => serving.isServing(),
		onNews: createReporter(events, log, ofNode),
		onFailure(error) {
			ofNode.failures.inc()
			log.error({ err: error }, 'following a volume failed; it goes on')
		},
	})
	const serving = createServing(servingOptions(options, volumes, ofNode))
	return { ofNode, bindings, vaults, forms, events, memory, offline, lock, room, volumes, serving }
}

function servingOptions(
	{ config, version, clock, log }: NodeOptions,
	volumes: Volumes,
	metrics: NodeMetrics,
): ServingOptions {
	const { driver, kubeletRoot, nodeName } = config
	return {
		driver,
		endpoint: `${kubeletRoot}/plugins/${driver}/csi.sock`,
		registration: `${kubeletRoot}/plugins_registry/${driver}-reg.sock`,
		routes: csiRoutes({
			driver,
			version,
			nodeName,
			podsRoot: `${kubeletRoot}/pods`,
			volumes,
			log,
			observe: (call, result, seconds) => metrics.calls.observe({ call, result }, seconds),
		}),
		clock,
		log,
	}
}

/**
 * The node role: serves the kubelet of one node. Resolves when it was asked to stop and nothing is written any more; the files of
 * pods stay, and the process is to be ended without closing the servers.
 *
 * @throws when the node cannot be served, with what to change
 */
export async function runNode(options: NodeOptions): Promise<void> {
	usePlainHeaders()
	const { config, metrics } = options
	const strategy = await strategyOf(config)
	const transport = createKubeTransport({
		kubeConfig: options.kubeConfig,
		userAgent: `azure-secret-binding-node/${config.nodeName}`,
		observe: metrics.observeRequest,
		maxConnections: MAX_CONNECTIONS,
	})
	const parts = partsOf(options, strategy, transport)
	const { ofNode, vaults, offline, volumes, serving } = parts
	await volumes.count()
	const probes = await startProbes({
		port: config.port,
		healthPort: config.healthPort,
		live: () => serving.notAlive(),
		ready: () => serving.notReady(),
		metrics: {
			contentType: ofNode.contentType,
			text: () => {
				measure(parts)
				return ofNode.text()
			},
		},
	})
	const collectIfIdle = createCollector()
	await serving.start()
	try {
		await Promise.all([
			each(options, TIDY_MS, 'not tidied', async () => {
				vaults.prune()
				offline.sweep()
				if (await serving.isServing()) await volumes.sweep()
			}),
			each(options, CHECK_MS, 'the sockets were not looked after', () => serving.check()),
			each(options, COLLECT_MS, 'memory was not collected', async () => collectIfIdle()),
		])
	} finally {
		await serving.withdraw()
		await volumes.stop()
		await parts.events.flush()
		parts.forms.close()
		parts.lock.close()
		await probes.close()
		await transport.close()
	}
}

/** This node cannot be served as it is configured; the message says what to change. */
export class Unservable extends Error {
	override readonly name = 'Unservable'
}

const vaultOptions = ({ config, clock, random, metrics, agent }: NodeOptions) => ({
	clock,
	random,
	authorityHost: config.authorityHost,
	noProxy: config.noProxy,
	tokenProxy: config.tokenProxy,
	disableInstanceDiscovery: config.disableInstanceDiscovery,
	clusterName: config.clusterName ?? 'kubernetes',
	vaultSuffixes: config.vaultSuffixes,
	callsPerSecond: config.vaultRate,
	rateStyle: NODE_RATE,
	longestAnswerMs: LONGEST_ANSWER_MS,
	agent,
	observeWait: (vault: string, lane: 'first' | 'refresh', seconds: number) =>
		metrics.vaultWait.observe({ vault, lane }, seconds),
	observeVault: (vault: string, kind: string, result: string) => metrics.vaultCalls.inc({ vault, kind, result }),
	observeToken: (issuer: 'kubernetes' | 'entra', result: 'ok' | 'error') => metrics.tokenCalls.inc({ issuer, result }),
})

function measure({ ofNode, ...now }: ReturnType<typeof partsOf>): void {
	ofNode.registered.set(now.serving.registered ? 1 : 0)
	ofNode.volumes.set(now.volumes.size)
	ofNode.waiting.set(now.volumes.waiting)
	ofNode.bindings.set(now.bindings.size)
	ofNode.bytes.set(now.memory.bytes + now.offline.bytes)
	ofNode.limit.set(now.memory.limit)
	ofNode.offline.set(now.offline.size)
	ofNode.reading.set(now.room.bytes)
	ofNode.readingWaits.set(now.room.waiting)
}

/** Again and again, until it was asked to stop. */
async function each(
	{ clock, signal, log }: NodeOptions,
	everyMs: number,
	problem: string,
	work: () => Promise<void>,
): Promise<void> {
	while (!signal.aborted) {
		await work().catch((error: unknown) => log.warn({ err: error }, problem))
		await clock.sleep(everyMs, signal).catch(() => {})
	}
}
