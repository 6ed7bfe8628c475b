// `npm run cluster -- up|down|status|env|prepare`. See README.md.

import { takeDown } from './down.ts'
import { engineHost } from './engine/daemon.ts'
import { readGiven } from './given.ts'
import { contextOf, downCluster, ensureCluster, holdCluster } from './index.ts'
import { CONTEXT_NAME } from './kind-cluster.ts'
import { readHolder } from './lock.ts'
import { isAlive } from './process.ts'
import { createProgress } from './progress.ts'
import { tryRun } from './run.ts'
import { readState } from './state.ts'
import { prepare, prepareBinaries } from './up.ts'

const HELP = `npm run cluster -- up        a cluster, whatever it takes: tools, engine, images
npm run cluster -- down      take it down, and all that came with it
npm run cluster -- status    what is up, and who uses it
npm run cluster -- env       shell lines that make kubectl, kind and docker talk to it: eval "$(npm run -s cluster -- env)"
npm run cluster -- prepare   build and fetch everything, but start no cluster; --binaries: only what needs no Docker engine

ASB_CACHE        folder for everything built or fetched (default ~/.cache/azure-secret-binding)
ASB_KUBECONFIG   use this cluster instead, with ASB_CONTEXT naming the context, and ASB_LOAD_COMMAND loading images`

async function status(): Promise<void> {
	const { paths } = contextOf(createProgress())
	const given = readGiven(process.env)
	const state = readState(paths.state)
	const holder = readHolder(paths.lock)
	console.log(`cache       ${paths.cache}`)
	if (given) return console.log(`cluster     given: ${given.kubeconfig}, context ${given.context}`)
	console.log(
		`engine      ${state.engine ? `own, process ${state.engine.process?.pid ?? 'unknown'}, ${engineHost({ paths })}` : 'none of our own'}`,
	)
	const target = ['--kubeconfig', paths.kubeconfig, '--context', CONTEXT_NAME]
	const answer = state.cluster?.ready
		? await tryRun(`${paths.bin}/kubectl`, [...target, 'get', 'nodes', '--request-timeout=5s'], { timeoutMs: 10_000 })
		: undefined
	console.log(
		`cluster     ${state.cluster ? (answer === undefined ? 'not answering' : `up (${state.cluster.situation}, ${state.cluster.image})`) : 'down'}`,
	)
	if (answer) console.log(answer.trimEnd().replaceAll(/^/gm, '            '))
	if (holder && isAlive(holder))
		console.log(`in use      by "${holder.holder}", process ${holder.pid}, since ${holder.since}`)
	else console.log('in use      by nobody')
}

/** Shell lines on standard output and nothing else. */
async function environment(): Promise<void> {
	const { paths } = contextOf(createProgress())
	const given = readGiven(process.env)
	const quote = (value: string) => `'${value.replaceAll("'", "'\\''")}'`
	if (given) return console.log(`export KUBECONFIG=${quote(given.kubeconfig)}`)
	const { cluster } = readState(paths.state)
	if (!cluster?.ready) throw new Error('no cluster is up: npm run cluster -- up')
	console.log(`export KUBECONFIG=${quote(paths.kubeconfig)}`)
	console.log(`export PATH=${quote(paths.bin)}:"$PATH"`)
	console.log('export DOCKER_BUILDKIT=1')
	if (cluster.situation === 'private') console.log(`export DOCKER_HOST=${quote(engineHost({ paths }))}`)
}

async function prepareOnly(binariesOnly: boolean, signal: AbortSignal): Promise<void> {
	const context = contextOf(createProgress(), signal)
	await holdCluster(context, 'npm run cluster -- prepare')
	if (binariesOnly) return prepareBinaries(context)
	const running = readState(context.paths.state).cluster !== undefined
	try {
		await prepare(context)
	} finally {
		// The engine was started for the images alone, unless a cluster uses it.
		if (!running) await takeDown({ ...context, signal: undefined })
	}
}

async function main(): Promise<number> {
	const [verb, ...rest] = process.argv.slice(2)
	const stopping = new AbortController()
	for (const signal of ['SIGINT', 'SIGTERM'] as const)
		process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))
	if (verb === 'up' && rest.length === 0) {
		const cluster = await ensureCluster({
			progress: createProgress(),
			holder: 'npm run cluster -- up',
			signal: stopping.signal,
		})
		console.log(`cluster: up; kubeconfig ${cluster.kubeconfig}, context ${cluster.context}`)
	} else if (verb === 'down' && rest.length === 0) await downCluster({ progress: createProgress() })
	else if (verb === 'status' && rest.length === 0) await status()
	else if (verb === 'env' && rest.length === 0) await environment()
	else if (verb === 'prepare' && rest.every((each) => each === '--binaries'))
		await prepareOnly(rest.length > 0, stopping.signal)
	else {
		console.log(HELP)
		return verb === undefined || verb === '--help' ? 0 : 2
	}
	return 0
}

try {
	process.exitCode = await main()
} catch (error) {
	console.error(`cluster: ${error instanceof Error ? error.message : String(error)}`)
	process.exitCode = 1
}
