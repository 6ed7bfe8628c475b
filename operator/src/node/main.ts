import { KubeConfig } from '@kubernetes/client-node'
import { systemClock } from '../process/clock.ts'
import { createLogger } from '../process/log.ts'
import { createMetrics } from '../process/metrics.ts'
import { createShutdown } from '../process/shutdown.ts'
import { type NodeConfig, parseNodeConfig } from './config.ts'
import { runNode, Unservable } from './node.ts'

// The kubelet kills after 30 s; a write ends within milliseconds, and a call to a vault that hangs is not waited for.
const STOP_MS = 10_000
const VERSION = '0.1.0'

function loadKubeConfig({ kubeconfig, context }: NodeConfig): KubeConfig {
	const kubeConfig = new KubeConfig()
	if (kubeconfig) kubeConfig.loadFromFile(kubeconfig)
	else kubeConfig.loadFromCluster()
	if (context) kubeConfig.setCurrentContext(context)
	return kubeConfig
}

/** The command `node`. @returns the exit code; the caller ends the process with it, servers open or not */
export async function main(args: readonly string[]): Promise<number> {
	const parsed = parseNodeConfig(args, process.env)
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
		log.info({ node: config.nodeName, driver: config.driver, mount: config.mount }, 'starting')
		const kubeConfig = loadKubeConfig(config)
		const { signal } = shutdown
		await runNode({
			config,
			kubeConfig,
			version: VERSION,
			clock: systemClock,
			random: Math.random,
			log,
			metrics,
			signal,
		})
		log.info('stopped')
		return 0
	} catch (error) {
		log.fatal({ err: error }, error instanceof Unservable ? error.message : 'ended')
		return 1
	}
}
