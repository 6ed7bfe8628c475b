import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Context } from './context.ts'
import { takeDown } from './down.ts'
import { checkContext, type Given, loadIntoGiven, readGiven } from './given.ts'
import { auditFile, CONTEXT_NAME, loadImages } from './kind-cluster.ts'
import { acquireLock } from './lock.ts'
import { cacheFolder, pathsOf } from './paths.ts'
import type { Progress } from './progress.ts'
import { changeState, readState } from './state.ts'
import { bringUp, type Ready } from './up.ts'
import { which, withSystemFolders } from './which.ts'

export { cacheFolder } from './paths.ts'
export type { Progress } from './progress.ts'

/** A cluster that is up. */
export interface Cluster {
	/** kubeconfig file, and the only context in it that may be used. */
	readonly kubeconfig: string
	readonly context: string
	/** Absolute path of kubectl. */
	readonly kubectl: string
	/** To be merged into the environment of docker, kind and kubectl children: PATH, KUBECONFIG and, for our own engine, DOCKER_HOST. */
	readonly env: Record<string, string>
	/** Makes local image tags usable in the cluster. Rejects naming what to do when a given cluster has no way for it. */
	loadImages(tags: readonly string[]): Promise<void>
	/** Arguments for `docker build`: NODE_BUILD, an image with Node and npm. */
	readonly buildArgs: Record<string, string>
	/** File of the API audit log on this machine, one JSON event a line; undefined for a given cluster. */
	auditLog(): Promise<string | undefined>
}

/** Environment variable with which a process lets the processes it starts use the cluster it holds. */
const HOLD_VARIABLE = 'ASB_CLUSTER_HOLD'
const token = randomUUID()
let releaseHold: (() => void) | undefined

export function contextOf(progress: Progress, signal?: AbortSignal): Context {
	// Every child listens to it.
	if (signal) setMaxListeners(0, signal)
	process.env['PATH'] = withSystemFolders(process.env['PATH'] ?? '')
	return { paths: pathsOf(cacheFolder()), progress, signal }
}

/**
 * Waits until nobody else uses the cluster, then holds it until `downCluster` or the end of this process. Processes started
 * by this one share the hold.
 */
export async function holdCluster(context: Context, holder: string): Promise<void> {
	if (releaseHold) return
	const release = await acquireLock({
		file: context.paths.lock,
		holder,
		token,
		inherited: process.env[HOLD_VARIABLE],
		now: Date.now,
		onWait: (other) =>
			console.log(`waiting for the cluster: "${other.holder}" (process ${other.pid}) holds it since ${other.since}`),
		signal: context.signal,
	})
	releaseHold = release
	process.env[HOLD_VARIABLE] ??= token
	process.once('exit', release)
}

function letGo(): void {
	releaseHold?.()
	releaseHold = undefined
	if (process.env[HOLD_VARIABLE] === token) delete process.env[HOLD_VARIABLE]
}

/** A cluster, brought up if it is not. Held for this process (see `holdCluster`). A failed attempt leaves nothing running. */
export async function ensureCluster(options: {
	progress: Progress
	holder: string
	signal?: AbortSignal
}): Promise<Cluster> {
	const context = contextOf(options.progress, options.signal)
	const given = readGiven(process.env)
	await holdCluster(context, options.holder)
	if (given) return givenCluster(given)
	return ownCluster(context, await bringUp(context))
}

/** Takes down what `ensureCluster` brought up, on this machine by whomever. A given cluster is left alone. */
export async function downCluster(options: { progress: Progress; holder?: string }): Promise<void> {
	const context = contextOf(options.progress)
	await holdCluster(context, options.holder ?? 'npm run cluster -- down')
	try {
		if (!readGiven(process.env)) await takeDown(context)
	} finally {
		letGo()
	}
}

/** Remembers that a demo stays in the cluster: its operator works on, also on the bindings of others. */
export function markDemo(options: { progress: Progress }): void {
	const { paths } = contextOf(options.progress)
	changeState(paths.state, (state) => (state.cluster ? { ...state, cluster: { ...state.cluster, demo: true } } : state))
}

/** Takes down a cluster in which a demo stays. A given cluster is left alone. */
export async function downKeptDemo(options: { progress: Progress; holder: string }): Promise<void> {
	const context = contextOf(options.progress)
	if (readGiven(process.env)) return
	await holdCluster(context, options.holder)
	if (readState(context.paths.state).cluster?.demo !== true) return
	await options.progress.step('a demo was kept in the cluster: it is taken down first', () => takeDown(context))
}

function ownCluster(context: Context, ready: Ready): Cluster {
	const { engine } = ready
	const host = ready.situation === 'private' ? { DOCKER_HOST: engine.env['DOCKER_HOST'] ?? '' } : {}
	const PATH = `${context.paths.bin}:${process.env['PATH'] ?? ''}`
	return {
		kubeconfig: context.paths.kubeconfig,
		context: CONTEXT_NAME,
		kubectl: ready.kubectl,
		env: { PATH, KUBECONFIG: context.paths.kubeconfig, DOCKER_BUILDKIT: '1', ...host },
		loadImages: (tags) => loadImages(context, ready, tags),
		buildArgs: { NODE_BUILD: ready.nodeBuildImage },
		auditLog: () => auditFile(context, ready),
	}
}

async function givenCluster(given: Given): Promise<Cluster> {
	const kubectl = which('kubectl')
	if (!kubectl) throw new Error('a given cluster needs kubectl on PATH')
	await checkContext(kubectl, given)
	return {
		kubeconfig: given.kubeconfig,
		context: given.context,
		kubectl,
		env: { PATH: process.env['PATH'] ?? '', KUBECONFIG: given.kubeconfig, DOCKER_BUILDKIT: '1' },
		loadImages: (tags) => loadIntoGiven(given, tags),
		buildArgs: {},
		auditLog: () => Promise.resolve(undefined),
	}
}
