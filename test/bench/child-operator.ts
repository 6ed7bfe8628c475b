// The operator as `main.ts` starts it, but told over standard input how to reach an emulator. Answers `usage`, `memory` (by parts), `collect`
// (the garbage, where node was started with --expose-gc), `snapshot FILE` (of its heap), and `loop`: how late the event loop was since that was
// last asked. Ends with its input.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { writeHeapSnapshot } from 'node:v8'
import { systemClock } from '../../operator/src/process/clock.ts'
import { createLogger } from '../../operator/src/process/log.ts'
import { createMetrics } from '../../operator/src/process/metrics.ts'
import { startOperator } from '../../operator/src/run/operator.ts'
import { accessOf, agentOf, collect, linesOfParent, memoryOfThis, type Reach, tell, usageOfThis } from './reach.ts'

export interface OperatorChild extends Reach {
	/** namespace of its lease */
	readonly home: string
	readonly identity: string
}

const lines = linesOfParent()
const first = await lines.next()
const options = JSON.parse(first.done ? '' : first.value) as OperatorChild
const stopping = new AbortController()
const metrics = createMetrics({ clock: systemClock })
const operator = await startOperator({
	kubeConfig: accessOf(options),
	clock: systemClock,
	random: Math.random,
	log: createLogger({ level: 'info', destination: { write: (line: string) => void process.stderr.write(line) } }),
	metrics,
	signal: stopping.signal,
	namespace: options.home,
	serviceAccount: 'default',
	identity: options.identity,
	port: 0,
	// The administrator of the cluster, whom the admission policies do not bind.
	allowUnfenced: true,
	clusterName: 'bench',
	agent: agentOf(options),
})
operator.done.catch((error: unknown) => {
	process.stderr.write(`${String(error)}\n`)
	process.exit(1)
})
// The time that its timer waits is no delay.
const RESOLUTION_MS = 10
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()
tell({ port: operator.port })
for (let line = await lines.next(); !line.done; line = await lines.next()) {
	if (line.value === 'usage') tell(usageOfThis())
	if (line.value === 'memory') tell(memoryOfThis())
	if (line.value === 'collect') tell(collect())
	if (line.value.startsWith('snapshot ')) tell({ snapshot: writeHeapSnapshot(line.value.slice('snapshot '.length)) })
	if (line.value === 'loop') {
		tell({ p99: delay.percentile(99) / 1e6 - RESOLUTION_MS, max: delay.max / 1e6 - RESOLUTION_MS })
		delay.reset()
	}
}
stopping.abort(new Error('the bench stops the operator'))
await operator.done
metrics.close()
