// The operator as a process of its own, from its sources, as `operator/src/main.ts` starts it: for tests that kill it. What it
// is told comes as one line of JSON on standard input; when that ends, its parent has died and so does it.
import { createInterface } from 'node:readline'
import { KubeConfig } from '@kubernetes/client-node'
import { createLogger } from '../../operator/src/process/log.ts'
import { createMetrics } from '../../operator/src/process/metrics.ts'
import { createShutdown } from '../../operator/src/process/shutdown.ts'
import { startOperator } from '../../operator/src/run/operator.ts'
import { createAgent } from '../emulator/src/agent.ts'
import { PRODUCTION_NAMES } from '../emulator/src/names.ts'
import { hurried } from './hurried.ts'
import type { ChildOptions } from './operator-process.ts'
import { portAgent } from './port-agent.ts'

// As in main.ts.
const STOP_MS = 20_000

async function run(options: ChildOptions): Promise<number> {
	const { server, namespace, namespaces, identity, times, leaseTimes, emulator } = options
	const kubeConfig = new KubeConfig()
	// There is no TLS to verify; the client library refuses plain HTTP without it.
	kubeConfig.loadFromClusterAndUser({ name: 'gateway', server, skipTLSVerify: true }, { name: 'nobody' })
	const log = createLogger({ level: 'debug' })
	const clock = hurried(times)
	const metrics = createMetrics({ clock, process: false })
	const shutdown = createShutdown({ deadlineMs: STOP_MS, onDeadline: () => process.exit(3) })
	try {
		const operator = await startOperator({
			kubeConfig,
			clock,
			leaseClock: hurried(leaseTimes),
			random: Math.random,
			log,
			metrics,
			signal: shutdown.signal,
			namespace,
			serviceAccount: 'payments',
			identity,
			// The gateway acts as the tests do: as an administrator, whom the admission policies do not bind.
			allowUnfenced: true,
			namespaces,
			clusterName: 'integration',
			agent: portAgent(createAgent(PRODUCTION_NAMES, '127.0.0.1', emulator.caPem), emulator.port),
		})
		operator.ready.then(
			() => log.info('ready'),
			() => {},
		)
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

process.on('unhandledRejection', (error) => {
	process.stderr.write(`unhandled rejection: ${error instanceof Error ? error.stack : typeof error}\n`)
	process.exit(4)
})

const lines = createInterface({ input: process.stdin })
lines.on('close', () => process.exit(5))
lines.once('line', (line) => {
	void run(JSON.parse(line) as ChildOptions).then((code) => process.exit(code))
})
