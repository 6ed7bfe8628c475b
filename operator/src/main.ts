import { KubeConfig } from '@kubernetes/client-node'
import { type Config, parseConfig } from './config.ts'
import { systemClock } from './process/clock.ts'
import { createLogger } from './process/log.ts'
import { createMetrics } from './process/metrics.ts'
import { createShutdown } from './process/shutdown.ts'
import { startOperator } from './run/operator.ts'

// The kubelet kills after 30 s; running reconciles end within their request deadlines, and the rest is given up before.
const STOP_MS = 20_000

function loadKubeConfig({ kubeconfig, context }: Config): KubeConfig {
	const kubeConfig = new KubeConfig()
	if (kubeconfig) kubeConfig.loadFromFile(kubeconfig)
	else kubeConfig.loadFromCluster()
	if (context) kubeConfig.setCurrentContext(context)
	return kubeConfig
}

/** @returns the exit code */
async function main(): Promise<number> {
	const parsed = parseConfig()
	if (parsed.kind === 'help') {
		process.stdout.write(parsed.text)
		return 0
	}
	if (parsed.kind === 'invalid') {
		process.stderr.write(`${parsed.problem} (--help lists the flags)\n`)
		return 2
	}
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
			kubeConfig: loadKubeConfig(config),
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
			authorityHost: config.authorityHost,
			noProxy: config.noProxy,
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

// A promise that nobody waited for is a bug, and its text may hold anything: say that it happened, not what it said.
process.on('unhandledRejection', (error) => {
	process.stderr.write(`unhandled rejection: ${error instanceof Error ? error.name : typeof error}\n`)
	process.exit(1)
})

const [role, ...rest] = process.argv.slice(2)
// Loaded only where it runs: the controller needs no protocol of the kubelet.
process.exit(role === 'node' ? await (await import('./node/main.ts')).main(rest) : await main())
