// The node role as `node/node-command.ts` starts it, but told over standard input how to reach an API server and an emulator. Answers `usage`, `memory`
// (by parts), `collect` (the garbage, where node was started with --expose-gc) and `snapshot FILE` (of its heap). Ends with its input.
import { writeHeapSnapshot } from 'node:v8'
import { runNode } from '../../operator/src/node/node.ts'
import { parseNodeConfig } from '../../operator/src/node/node-config.ts'
import { systemClock } from '../../operator/src/process/clock.ts'
import { createLogger, type LogLevel } from '../../operator/src/process/log.ts'
import { createMetrics } from '../../operator/src/process/metrics.ts'
import { accessOf, agentOf, collect, linesOfParent, memoryOfThis, type Reach, tell, usageOfThis } from './reach.ts'

export interface NodeChild extends Reach {
	readonly flags: readonly string[]
	readonly logLevel: LogLevel
}

const lines = linesOfParent()
const first = await lines.next()
const options = JSON.parse(first.done ? '' : first.value) as NodeChild
const parsed = parseNodeConfig(options.flags, {})
if (parsed.kind !== 'run') throw new Error(`flags: ${JSON.stringify(parsed)}`)
const stopping = new AbortController()
const running = runNode({
	config: parsed.config,
	kubeConfig: accessOf(options),
	version: '0.1.0',
	clock: systemClock,
	random: Math.random,
	log: createLogger({
		level: options.logLevel,
		destination: { write: (line: string) => void process.stderr.write(line) },
	}),
	metrics: createMetrics({ clock: systemClock, role: 'node' }),
	signal: stopping.signal,
	agent: agentOf(options),
})
tell({ pid: process.pid })
for (let line = await lines.next(); !line.done; line = await lines.next()) {
	if (line.value === 'usage') tell(usageOfThis())
	if (line.value === 'memory') tell(memoryOfThis())
	if (line.value === 'collect') tell(collect())
	if (line.value.startsWith('snapshot ')) tell({ snapshot: writeHeapSnapshot(line.value.slice('snapshot '.length)) })
}
stopping.abort(new Error('the bench stops the node role'))
await running
process.exit(0)
