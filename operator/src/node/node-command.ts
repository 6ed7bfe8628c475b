import { accessOf, podOf, SERVICE_ACCOUNT_FOLDER } from '../cluster/pod-access.ts'
import { systemClock } from '../process/clock.ts'
import { createLogger } from '../process/log.ts'
import { createMetrics } from '../process/metrics.ts'
import { createShutdown } from '../process/shutdown.ts'
import { tellUsage } from '../process/usage.ts'
import { runNode, Unservable } from './node.ts'
import { parseNodeConfig } from './node-config.ts'

// The kubelet kills after 15 s (deploy/kustomize/node); a write ends within milliseconds, and a call to a vault that hangs is not waited for.
const STOP_MS = 10_000
const VERSION = '0.1.0'

/** The command `node`. @returns the exit code; the caller ends the process with it, servers open or not */
export async function main(args: readonly string[]): Promise<number> {
	const parsed = parseNodeConfig(args, process.env)
	if (parsed.kind !== 'run') return tellUsage(parsed)
	const { config } = parsed
	const log = createLogger({ level: config.logLevel })
	const metrics = createMetrics({ clock: systemClock, role: 'node' })
	const shutdown = createShutdown({
		deadlineMs: STOP_MS,
		onDeadline: () => process.exit(1),
		onStop: (signal) => log.info({ signal }, 'stopping'),
	})
	try {
		log.info({ node: config.nodeName, driver: config.driver }, 'starting')
		const { kubeconfig, context } = config
		const pod = podOf(process.env, SERVICE_ACCOUNT_FOLDER)
		const kubeConfig = await accessOf({ kubeconfig, context, pod }, systemClock)
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
