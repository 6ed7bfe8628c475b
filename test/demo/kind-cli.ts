// `npm run demo:kind`: the operator on a real cluster, live, on this machine. See `--help`.
import { parseArgs } from 'node:util'
import { downCluster, markDemo } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { runDemo } from './kind.ts'
import { runVolumeDemo } from './kind-volume.ts'
import { remembering } from './remembering.ts'

const HELP = `npm run demo:kind               bring everything up, show the main job, take everything down
npm run demo:kind -- --volume   the story of memory volumes instead: no Secret is made
npm run demo:kind -- --keep     the same, but leave the cluster running to look around
npm run demo:kind -- down       take down what --keep left

Needs Linux, npm, and a Docker engine or root on Debian. The first run on a machine without an image registry builds the
cluster from package registries (about 20 minutes on two cores); later runs use the cache (ASB_CACHE,
default ~/.cache/azure-secret-binding).`

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		options: {
			keep: { type: 'boolean', default: false },
			volume: { type: 'boolean', default: false },
			help: { type: 'boolean', short: 'h', default: false },
		},
		allowPositionals: true,
	})
	if (values.help) {
		console.log(HELP)
		return 0
	}
	const progress = remembering(createProgress())
	const [verb, ...rest] = positionals
	if (verb === 'down' && rest.length === 0) {
		await downCluster({ progress })
		return 0
	}
	if (verb !== undefined) {
		console.error(`demo:kind: there is no "${positionals.join(' ')}"\n\n${HELP}`)
		return 2
	}
	const started = performance.now()
	const stopping = new AbortController()
	for (const signal of ['SIGINT', 'SIGTERM'] as const)
		process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))
	try {
		const run = values.volume ? runVolumeDemo : runDemo
		await run({ progress, say: console.log, signal: stopping.signal, keep: values.keep })
	} catch (error) {
		const reason = error instanceof Error ? error.message : String(error)
		console.error(`\ndemo:kind: failed at "${progress.failed ?? 'start'}": ${reason}`)
		if (values.keep) markDemo({ progress })
		else await downCluster({ progress })
		return 1
	}
	if (values.keep) markDemo({ progress })
	else await downCluster({ progress })
	console.log(`\ndemo:kind: ok in ${Math.round((performance.now() - started) / 1000)} s`)
	return 0
}

process.exitCode = await main()
