import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { buildBinaries } from './build/binaries.ts'
import { debianImages } from './build/debian.ts'
import { findGo, type Go } from './build/go.ts'
import { findKind } from './build/kind.ts'
import { buildKubernetes } from './build/kubernetes.ts'
import { NODE_BUILD_IMAGE, nodeBaseImages } from './build/node-base.ts'
import { buildNodeImage } from './build/node-image.ts'
import type { Context } from './context.ts'
import type { Docker } from './docker.ts'
import { takeDown } from './down.ts'
import { engineRuns, ownEngine, startEngine } from './engine/daemon.ts'
import { noteMachine } from './engine/machine.ts'
import {
	clusterAnswers,
	createCluster,
	deleteCluster,
	hasKindNetwork,
	type KindTools,
	nodesOf,
} from './kind-cluster.ts'
import { CLUSTER_NAME } from './paths.ts'
import { findUserEngine, lookAround } from './probe.ts'
import { tryRun } from './run.ts'
import { chooseSituation, explainMissing, type Situation } from './situation.ts'
import { changeState, readState } from './state.ts'
import { VERSIONS, withinSkew } from './versions.ts'
import { which } from './which.ts'

export interface Ready extends KindTools {
	readonly situation: Exclude<Situation['kind'], 'none'>
	/** Tag of the node image. */
	readonly image: string
	/** Tag of an image with Node and npm for `docker build`. */
	readonly nodeBuildImage: string
}

/** Asked for at most once a run, and only by steps that have to build something. */
function lazyGo(context: Context): () => Promise<Go> {
	let go: Promise<Go> | undefined
	return () => {
		go ??= findGo(context)
		return go
	}
}

/** An engine, the tools and the images; no cluster yet. Rejects saying what is missing. */
export async function prepare(context: Context): Promise<Ready> {
	const { paths } = context
	for (const folder of [paths.cache, paths.bin, paths.temporary, paths.logs]) mkdirSync(folder, { recursive: true })
	// Our own engine runs: it stays the one, also when another appears meanwhile.
	const user = engineRuns(context) ? undefined : await findUserEngine(context)
	const situation: Situation = engineRuns(context)
		? { kind: 'private' }
		: chooseSituation(await lookAround(context, user))
	if (situation.kind === 'none') throw new Error(explainMissing(situation.missing))
	const go = lazyGo(context)
	if (situation.kind === 'private') await startEngine(context)
	const engine: Docker = user ?? (await ownEngine(context))
	const ready =
		situation.kind === 'official'
			? await withOfficialImages(context, engine, go)
			: await withBuiltImages(context, engine, situation.kind, go)
	link(engine.cli, join(paths.bin, 'docker'))
	link(ready.kind, join(paths.bin, 'kind'))
	link(ready.kubectl, join(paths.bin, 'kubectl'))
	return ready
}

async function withOfficialImages(context: Context, engine: Docker, go: () => Promise<Go>): Promise<Ready> {
	const kind = await findKind(context, go)
	const cluster = /:(v[0-9.]+)/.exec(VERSIONS.KINDEST_NODE)?.[1] ?? ''
	const present = which('kubectl')
	const answer = present ? await tryRun(present, ['version', '--client', '--output=json']) : undefined
	const version = /"gitVersion": "(v[^"]+)"/.exec(answer ?? '')?.[1] ?? ''
	const kubectl =
		present && withinSkew(version, cluster) ? present : await buildKubernetes(context, await go(), 'kubectl')
	const nodeBuildImage = `node:${VERSIONS.NODE}-${VERSIONS.DEBIAN_SUITE}-slim`
	return { situation: 'official', engine, kind, kubectl, image: VERSIONS.KINDEST_NODE, nodeBuildImage }
}

async function withBuiltImages(
	context: Context,
	engine: Docker,
	situation: 'packages' | 'private',
	go: () => Promise<Go>,
): Promise<Ready> {
	const image = await buildNodeImage(context, engine, go)
	await debianImages(context, engine)
	await nodeBaseImages(context, engine)
	const kind = await findKind(context, go)
	const kubectl = await buildKubernetes(context, await go(), 'kubectl')
	return { situation, engine, kind, kubectl, image, nodeBuildImage: NODE_BUILD_IMAGE }
}

/** Only what needs no engine: the programs of a node image built from package registries. */
export async function prepareBinaries(context: Context): Promise<void> {
	mkdirSync(context.paths.temporary, { recursive: true })
	await buildBinaries(context, lazyGo(context))
}

function link(target: string, path: string): void {
	rmSync(path, { force: true })
	symlinkSync(target, path)
}

/**
 * Brings the cluster up.
 *
 * 1. A crash may have left a cluster whose own engine is dead: take that down first.
 * 2. Engine, tools, images (`prepare`).
 * 3. A cluster of ours that answers and has the wanted node image is the one. One that does not is deleted.
 * 4. Note what has to be undone, then create it.
 * 5. Whatever fails: take down everything, then report.
 */
export async function bringUp(context: Context): Promise<Ready> {
	const { paths } = context
	try {
		if (readState(paths.state).cluster?.situation === 'private' && !engineRuns(context)) await takeDown(context)
		const ready = await prepare(context)
		const present = readState(paths.state).cluster
		if (present) {
			if (present.ready && present.image === ready.image && (await clusterAnswers(context, ready))) return ready
			await context.progress.step('cluster: remove the earlier one', () =>
				deleteCluster(context, ready, present.ownsNetwork),
			)
			changeState(paths.state, ({ cluster: _, ...rest }) => rest)
		}
		await refuseForeignCluster(ready.engine)
		await context.progress.step(`cluster: kind create cluster (${ready.image.replace(/@.*/, '')})`, async () => {
			const before = readState(paths.state).before ?? (await noteMachine(false))
			const ownsNetwork = !(await hasKindNetwork(ready.engine))
			const cluster = { situation: ready.situation, image: ready.image, ownsNetwork, ready: false }
			changeState(paths.state, (state) => ({ ...state, before, cluster }))
			await createCluster(context, ready, ready.image)
			changeState(paths.state, (state) => ({ ...state, cluster: { ...cluster, ready: true } }))
		})
		return ready
	} catch (error) {
		await takeDown({ ...context, signal: undefined }).catch((second: unknown) => {
			console.error(
				`cleaning up failed, too: ${second instanceof Error ? second.message : String(second)}; try npm run cluster -- down`,
			)
		})
		throw error
	}
}

/** A cluster of our name that our state does not know belongs to another cache folder: never ours to delete. */
async function refuseForeignCluster(engine: Docker): Promise<void> {
	const nodes = await nodesOf(engine)
	if (nodes.length === 0) return
	throw new Error(
		`the engine has a kind cluster of this name already (${nodes.join(', ')}), made with another ASB_CACHE. Take it down from ` +
			`there, or: kind delete cluster --name ${CLUSTER_NAME}`,
	)
}
