import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from './context.ts'
import type { Docker } from './docker.ts'
import { engineRuns, ownEngine, startEngine, stopEngine } from './engine/daemon.ts'
import { restoreMachine } from './engine/machine.ts'
import { deleteCluster } from './kind-cluster.ts'
import { findUserEngine } from './probe.ts'
import { changeState, readState } from './state.ts'

/**
 * Takes down the cluster and our own engine, and puts the machine's settings back. What has to be done comes from the state
 * file, so it works after a crash and from another checkout, and does nothing when there is nothing.
 *
 * 1. The cluster. With an own engine that is dead, start it again first: only it can take its containers away cleanly.
 * 2. Our engine.
 * 3. Settings, last: both change them while they run.
 */
export async function takeDown(context: Context): Promise<void> {
	const { paths } = context
	const state = readState(paths.state)
	rmSync(paths.temporary, { recursive: true, force: true })
	const { cluster } = state
	if (cluster) {
		await context.progress.step('cluster: delete', async () => {
			const engine = await engineOf(context, cluster.situation)
			await deleteCluster(context, { engine }, cluster.ownsNetwork)
			changeState(paths.state, ({ cluster: _, ...rest }) => rest)
		})
	}
	if (readState(paths.state).engine) await context.progress.step('engine: stop', () => stopEngine(context))
	const { before } = readState(paths.state)
	if (before) {
		for (const command of await restoreMachine(before))
			console.log(`a setting of this machine is changed; to put it back: ${command}`)
		changeState(paths.state, ({ before: _, ...rest }) => rest)
	}
	for (const name of ['docker', 'kind', 'kubectl']) if (existsSync(join(paths.bin, name))) rmSync(join(paths.bin, name))
}

async function engineOf(context: Context, situation: 'official' | 'packages' | 'private'): Promise<Docker> {
	if (situation === 'private') {
		if (!engineRuns(context)) await startEngine(context)
		return ownEngine(context)
	}
	const engine = await findUserEngine(context)
	if (!engine)
		throw new Error(
			'the Docker engine that runs the cluster does not answer: start it (or set DOCKER_HOST as it was), then try again',
		)
	return engine
}
