import type { Agent } from 'node:https'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { GROUP, VAULT_SUFFIXES } from '../api/constants.ts'
import { createBindings, keptOf } from '../cluster/bindings.ts'
import { createEventRecorder } from '../cluster/events.ts'
import { type LeaseLostError, runLeaderElection, type Won } from '../cluster/lease.ts'
import { createPermissions } from '../cluster/permissions.ts'
import type { KubeAccess } from '../cluster/pod-access.ts'
import { createPods } from '../cluster/pods.ts'
import { createAuthorize } from '../cluster/reviews.ts'
import { createSecrets } from '../cluster/secrets.ts'
import { createServiceAccounts, createTokens } from '../cluster/serviceaccounts.ts'
import { createKubeTransport, type KubeTransport } from '../cluster/transport.ts'
import { createPodRefresher } from '../destinations/secret/refresh.ts'
import { createForms } from '../forms/forms.ts'
import type { Clock } from '../process/clock.ts'
import type { Logger } from '../process/log.ts'
import { saveMemory } from '../process/memory-saver.ts'
import type { Metrics } from '../process/metrics.ts'
import { startProbes } from '../process/probes.ts'
import { KeyedQueue } from '../process/queue.ts'
import { createSlices } from '../process/slices.ts'
import { createStore } from '../process/store.ts'
import { createVaults } from '../vault/pool.ts'
import type { TokenProxy } from '../vault/token-proxy.ts'
import { waitForPolicies } from './admission.ts'
import type { BindingObject } from './binding-object.ts'
import { followBindings } from './follow-bindings.ts'
import { createObserver } from './observer.ts'
import { createOutages } from './outages.ts'
import { createReconciler, type ReconcileDeps } from './reconcile.ts'

/** Everything an operator needs; nothing is read from the environment or from module state. */
export interface OperatorOptions extends Pick<ReconcileDeps, 'minIntervalMs'> {
	kubeConfig: KubeAccess
	clock: Clock
	/** default: `clock`; apart for tests, which hurry the work and must not hurry the lease, and cannot hurry a network */
	leaseClock?: Clock | undefined
	random: () => number
	log: Logger
	metrics: Metrics
	/** asks to stop */
	signal: AbortSignal
	/** namespace and ServiceAccount of the operator itself */
	namespace: string
	serviceAccount: string
	/** unique among replicas: the pod's name */
	identity: string
	/** goes on without the admission policies, which is said loudly */
	allowUnfenced: boolean
	/** undefined: no probes and no metrics endpoint; 0 picks a free port */
	port?: number | undefined
	/** of probes; default: that of metrics */
	healthPort?: number | undefined
	/** metrics only for who may get /metrics, by the API server's word; default: for everybody who can connect */
	metricsAuth?: boolean | undefined
	/** only bindings of these namespaces, one watch each; default: all. No other permission than Roles there is then needed */
	namespaces?: readonly string[] | undefined
	leaseName?: string | undefined
	clusterName?: string | undefined
	/** bindings worked on at once */
	concurrency?: number | undefined
	/** calls per second to one vault, sustained */
	vaultRate?: number | undefined
	vaultSuffixes?: readonly string[] | undefined
	/** hosts that are reached without the proxy that the environment names, as in NO_PROXY */
	noProxy?: string | undefined
	/** where tokens of identity bindings of AKS are exchanged */
	tokenProxy?: TokenProxy | undefined
	authorityHost?: string | undefined
	disableInstanceDiscovery?: boolean | undefined
	/** connections to vaults and Entra */
	agent?: Agent | undefined
}

export interface Operator {
	/** resolves when everything has ended; rejects when it ended for a fault, such as a lost lease */
	done: Promise<void>
	/** of probes and metrics; undefined without */
	port: number | undefined
	/** resolves when this process leads and has seen all bindings */
	ready: Promise<void>
}

// A worker mostly waits. 32 are four vaults' worth of the eight calls of a budget. Each holds the values of one binding: 1 MiB.
const CONCURRENCY = 32
// Of one vault: twice those calls, because a pass also waits for the API server.
const PER_VAULT = 16
const LEASE = 'azure-secret-binding-operator'
// Sessions nobody uses are looked for this often.
const PRUNE_MS = 60_000

/**
 * Starts an operator: probes, admission policies, lease, watch, workers. Rejects when it cannot start; after that `done` tells.
 */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
	const { log, metrics, signal, clock } = options
	const transport = createKubeTransport({
		kubeConfig: options.kubeConfig,
		userAgent: `azure-secret-binding-operator/${options.identity}`,
		observe: metrics.observeRequest,
	})
	try {
		const state = { policiesStand: false, leading: false, synced: false, lost: false }
		const probes =
			options.port === undefined
				? undefined
				: await startProbes({
						port: options.port,
						healthPort: options.healthPort,
						authorize: options.metricsAuth ? createAuthorize(transport, clock, '/metrics') : undefined,
						live: () => (state.lost ? 'the lease was lost' : undefined),
						// A replica that waits for the lease is ready: it does what it is there for.
						ready: () => {
							if (!state.policiesStand) return 'the admission policies are not in force'
							return state.leading && !state.synced ? 'the bindings are being listed' : undefined
						},
						metrics,
					})
		const ready = Promise.withResolvers<void>()
		// Whoever does not wait for it must not be ended by it.
		ready.promise.catch(() => {})
		const run = async () => {
			try {
				if (!(await policiesStand(options, transport))) return
				state.policiesStand = true
				await runLeaderElection(
					{
						transport,
						namespace: options.namespace,
						name: options.leaseName ?? LEASE,
						identity: options.identity,
						clock: options.leaseClock ?? clock,
						random: options.random,
						signal,
						onLost: (error: LeaseLostError) => {
							state.lost = true
							log.error({ err: error }, 'lease lost')
						},
						onHolder: (holder) => log.info({ holder }, 'lease holder'),
						onError: (error) => log.warn({ err: error }, 'lease'),
					},
					async (leading, won) => {
						state.leading = true
						metrics.leader.set(1)
						try {
							await lead(options, transport, leading, won, () => {
								state.synced = true
								ready.resolve()
							})
						} finally {
							state.leading = false
							metrics.leader.set(0)
						}
					},
				)
			} finally {
				ready.reject(new Error('the operator has stopped'))
				await probes?.close()
				await transport.close()
			}
		}
		const done = run()
		// A rejection before somebody waits for it is not unhandled: it is told to whoever does.
		done.catch(() => {})
		return { done, port: probes?.port, ready: ready.promise }
	} catch (error) {
		await transport.close()
		throw error
	}
}

/** @returns when the operator may work; false: it was stopped before */
async function policiesStand(options: OperatorOptions, transport: KubeTransport): Promise<boolean> {
	try {
		await waitForPolicies({ ...options, clock: options.leaseClock ?? options.clock, transport, pod: options.identity })
		return true
	} catch (error) {
		if (options.signal.aborted) return false
		throw error
	}
}

/** Follows the bindings and works on them until `signal` aborts. */
async function lead(
	options: OperatorOptions,
	transport: KubeTransport,
	signal: AbortSignal,
	won: Won,
	onSynced: () => void,
): Promise<void> {
	const { clock, random, log, metrics } = options
	const keyOf = ({ metadata }: BindingObject) => `${metadata.namespace ?? ''}/${metadata.name}`
	const store = createStore<BindingObject>({ key: keyOf, keep: keptOf })
	const queue = new KeyedQueue({
		clock,
		placeOf: (key) => {
			const [namespace = ''] = key.split('/')
			// Before its first pass a binding that names no vault counts as of one of its namespace's own.
			return { group: namespace, subgroup: reconciler.vaultOf(key) ?? namespace }
		},
		onError: (key, error) => {
			// A reconcile that is cut short because we stop is no failure.
			if (!signal.aborted) log.warn({ binding: key, err: error }, 'reconcile failed')
		},
	})
	metrics.setQueue(queue)
	const vaults = vaultsOf(options, transport)
	metrics.setVaultRates(vaults.rates)
	// By the clock of the lease: the deadline is for work that is done in real time.
	const forms = createForms({
		clock: options.leaseClock ?? clock,
		observe: (result, seconds) => metrics.formSeconds.observe({ result }, seconds),
	})
	const events = eventsOf(options, transport, () => queue.firstWaits)
	const outages = createOutages(events, leaseOf(options, won))
	const reconciler = createReconciler({
		clock,
		networkClock: options.leaseClock,
		minIntervalMs: options.minIntervalMs,
		random,
		log,
		read: store.get,
		operator: { namespace: options.namespace, name: options.serviceAccount },
		vaults,
		makeForms: forms.make,
		serviceAccounts: createServiceAccounts(transport, clock),
		secrets: createSecrets(transport, (operation, result) => metrics.secretWrites.inc({ operation, result })),
		permissions: createPermissions(transport),
		bindings: createBindings(transport),
		events,
		outages,
		workedUntil: won.workedUntil,
		podRefresher: refresherOf(options, transport),
		observer: createObserver(metrics),
		slices: createSlices(() => performance.now(), nextTurn),
	})

	const prune = async () => {
		while (!signal.aborted) {
			await clock.sleep(PRUNE_MS, signal).catch(() => {})
			vaults.prune()
		}
	}
	const work = queue.run(
		async (key, aborted, turn) => {
			metrics.queueWait.observe(turn.lateMs / 1000)
			const next = await reconciler.reconcile(key, aborted, turn)
			queue.forget(key)
			if (next !== undefined) queue.addAfter(key, next)
		},
		{ concurrency: options.concurrency ?? CONCURRENCY, perSubgroup: PER_VAULT, signal },
	)
	const saving = saveMemory({ clock, signal, isBusy: () => queue.depth > 0 })
	const following = followBindings(options, transport, signal, { store, queue, onSynced })
	try {
		await Promise.all([following, prune(), saving, work])
	} finally {
		forms.close()
	}
	await events.flush()
}

// Vaults are no objects of the cluster. What is told of them stands at the lease, which an operator has in either profile.
const leaseOf = ({ namespace, leaseName = LEASE }: OperatorOptions, { uid }: Won) => ({
	apiVersion: 'coordination.k8s.io/v1',
	kind: 'Lease',
	namespace,
	name: leaseName,
	uid,
})

const refresherOf = ({ clock, random, metrics, log }: OperatorOptions, transport: KubeTransport) =>
	createPodRefresher({
		pods: createPods(transport),
		clock,
		random,
		observe: (result) => metrics.podRefreshes.inc({ result }),
		onError: (error, { namespace, name }) =>
			log.warn({ binding: `${namespace}/${name}`, err: error }, 'pods not refreshed'),
	})

const vaultsOf = (options: OperatorOptions, transport: KubeTransport) => {
	const { clock, random, metrics } = options
	return createVaults({
		clock,
		networkClock: options.leaseClock,
		random,
		tokens: createTokens(transport),
		authorityHost: options.authorityHost,
		noProxy: options.noProxy,
		tokenProxy: options.tokenProxy,
		disableInstanceDiscovery: options.disableInstanceDiscovery,
		agent: options.agent,
		clusterName: options.clusterName ?? 'kubernetes',
		vaultSuffixes: options.vaultSuffixes ?? VAULT_SUFFIXES,
		callsPerSecond: options.vaultRate,
		firstSyncsFaster: true,
		observeWait: (vault, lane, seconds) => metrics.vaultWait.observe({ vault, lane }, seconds),
		observeVault: (vault, kind, result) => metrics.vaultCalls.inc({ vault, kind, result }),
		observeToken: (issuer, result) => metrics.tokenCalls.inc({ issuer, result }),
	})
}

const eventsOf = (
	{ clock, identity, metrics, log }: OperatorOptions,
	transport: KubeTransport,
	isBusy: () => boolean,
) =>
	createEventRecorder({
		transport,
		isBusy,
		clock,
		reportingController: `${GROUP}/operator`,
		reportingInstance: identity,
		observe: (result) => metrics.events.inc({ result }),
		onError: (error) => log.warn({ err: error }, 'event not recorded'),
	})
