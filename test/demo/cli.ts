// `npm run demo`: the main job, live, on this machine, without a cluster. See `--help`.
import { parseArgs } from 'node:util'
import { createProgress } from '../cluster/progress.ts'
import { remembering } from './remembering.ts'
import { tellStory } from './story.ts'

const HELP = `npm run demo               the main job on this machine: an emulated vault, the operator's engine, a folder, a PURISTA service
npm run demo:kind          the operator on a real cluster

Needs Node 20 or newer with npm, on Linux or macOS. No cluster, no Docker, no root, no Azure account.`

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		options: { help: { type: 'boolean', short: 'h', default: false } },
		allowPositionals: true,
	})
	if (values.help) {
		console.log(HELP)
		return 0
	}
	if (positionals.length > 0) {
		console.error(`demo: there is no "${positionals.join(' ')}"\n\n${HELP}`)
		return 2
	}
	const started = performance.now()
	const progress = remembering(createProgress())
	const stopping = new AbortController()
	for (const signal of ['SIGINT', 'SIGTERM'] as const)
		process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))
	try {
		await tellStory({ progress, say: console.log, signal: stopping.signal })
	} catch (error) {
		console.error(
			`\ndemo: failed at "${progress.failed ?? 'start'}": ${error instanceof Error ? error.message : error}`,
		)
		return 1
	}
	console.log(`To see the operator on a real cluster: npm run demo:kind`)
	console.log(`\ndemo: ok in ${Math.round((performance.now() - started) / 1000)} s`)
	return 0
}

process.exitCode = await main()
