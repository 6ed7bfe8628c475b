import { accessOf } from './cluster/pod-access.ts'
import { parseConfig } from './config.ts'
import { systemClock } from './process/clock.ts'
import { ownFrames } from './process/frames.ts'
import { createLogger } from './process/log.ts'
import { createMetrics } from './process/metrics.ts'
import { createShutdown } from './process/shutdown.ts'
import { tellUsage } from './process/usage.ts'
import { startOperator } from './run/operator.ts'

// The kubelet kills after 30 s; running reconciles end within their request deadlines, and the rest is given up before.
const STOP_MS = 20_000

/** @returns the exit code */
async function main(): Promise<number> {
	const parsed = parseConfig()
	if (parsed.kind !== 'run') return tellUsage(parsed)
	const { config } = parsed
	const log = createLogger({ level: config.logLevel })
	const metrics = createMetrics({ clock: systemClock })
	const shutdown = createShutdown({
		deadlineMs: STOP_MS,
		onDeadline: () => process.exit(1),
		onStop: (signal) => log.info({ signal }, 'stopping'),
	})
	try {
		const { vaultSuffixes, namespace, serviceAccount, identity, port, allowUnfenced } = config
		log.info({ namespace, identity, node: process.version }, 'starting')
		const operator = await startOperator({
			kubeConfig: await accessOf(config, systemClock),
			clock: systemClock,
			random: Math.random,
			log,
			metrics,
			signal: shutdown.signal,
			namespace,
			serviceAccount,
			identity,
			port,
			healthPort: config.healthPort,
			metricsAuth: config.metricsAuth,
			allowUnfenced,
			namespaces: config.namespaces,
			clusterName: config.clusterName,
			concurrency: config.concurrency,
			vaultSuffixes,
			vaultRate: config.vaultRate,
			minIntervalMs: config.minIntervalMs,
			authorityHost: config.authorityHost,
			noProxy: config.noProxy,
			tokenProxy: config.tokenProxy,
			disableInstanceDiscovery: config.disableInstanceDiscovery,
		})
		await operator.done
		log.info('stopped')
		return 0
	} catch (error) {
		log.fatal({ err: error }, 'ended')
		return 1
	} finally {
		shutdown.dispose()
		metrics.close()
	}
}

// What nobody caught is a bug, and its text may hold anything: say that it happened and where, not what it said. Node would besides print
// the line of code, which in a bundle is a long one.
for (const event of ['unhandledRejection', 'uncaughtException'] as const)
	process.on(event, (error: unknown) => {
		const [name, stack] = error instanceof Error ? [error.name, error.stack] : [typeof error, undefined]
		process.stderr.write(`${event}: ${[name, ...ownFrames(stack)].join('\n    at ')}\n`)
		process.exit(1)
	})

const [role, ...rest] = process.argv.slice(2)
// Loaded only where it runs: the controller needs no protocol of the kubelet.
process.exit(role === 'node' ? await (await import('./node/node-command.ts')).main(rest) : await main())
