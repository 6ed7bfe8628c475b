import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { nodeImageTag } from './build/node-image.ts'
import type { Context } from './context.ts'
import { type Docker, findDockerCli, hasImage, tryDocker } from './docker.ts'
import { engineHost } from './engine/daemon.ts'
import { tryRun } from './run.ts'
import type { Facts } from './situation.ts'
import { VERSIONS } from './versions.ts'
import { which } from './which.ts'

/** A registry that answers delivers the image (about 400 MB) in this time even on a slow line. */
const PULL_TIMEOUT_MS = 10 * 60_000

/** The engine the user has, if one answers: at DOCKER_HOST or where the CLI's context says. */
export async function findUserEngine(context: Context): Promise<Docker | undefined> {
	// A DOCKER_HOST that is our own engine (from `npm run cluster -- env`) is not the user's.
	if (process.env['DOCKER_HOST'] === engineHost(context)) return undefined
	const cli = await findDockerCli()
	if (!cli) return undefined
	const engine = { cli, env: process.env }
	return (await tryDocker(engine, ['version', '--format', '{{.Server.Version}}'])) === undefined ? undefined : engine
}

/** Looks at the machine. Pulls kind's node image when an engine answers and neither node image is there. */
export async function lookAround(context: Context, engine: Docker | undefined): Promise<Facts> {
	const builtImage = engine !== undefined && (await hasImage(engine, nodeImageTag()))
	return {
		engine: engine !== undefined,
		builtImage,
		officialImage:
			engine !== undefined &&
			((await hasImage(engine, VERSIONS.KINDEST_NODE)) || (!builtImage && (await pull(context, engine)))),
		linux: process.platform === 'linux',
		root: process.getuid?.() === 0,
		debian: existsSync('/etc/debian_version') && which('apt-get') !== undefined,
	}
}

async function pull(context: Context, engine: Docker): Promise<boolean> {
	return context.progress.step(`image registry: pull ${VERSIONS.KINDEST_NODE.replace(/@.*/, '')}`, async (say) => {
		const log = join(context.paths.logs, 'pull.log')
		const answer = await tryRun(engine.cli, ['pull', '--quiet', VERSIONS.KINDEST_NODE], {
			env: engine.env,
			log,
			timeoutMs: PULL_TIMEOUT_MS,
			signal: context.signal,
		})
		context.signal?.throwIfAborted()
		if (answer === undefined) say('no registry answers: the node image is built from package registries')
		return answer !== undefined
	})
}
