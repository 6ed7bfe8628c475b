import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Metrics } from '../process/metrics.ts'

export type NodeMetrics = ReturnType<typeof createNodeMetrics>

/** What the node role measures beside what every role does. Labels are of closed sets: no pod, binding or secret is named. */
export function createNodeMetrics(common: Pick<Metrics, 'text' | 'contentType'>) {
	const registry = new Registry()
	const registers = [registry]
	const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
	return {
		contentType: common.contentType,
		text: async () => `${await common.text()}\n${await registry.metrics()}`,
		registered: gauge('asb_node_registered', '1 while the kubelet knows the driver'),
		volumes: gauge('asb_node_volumes', 'Volumes of pods on this node'),
		waiting: gauge('asb_node_volumes_waiting', 'Volumes whose pods wait for their first files'),
		bindings: gauge('asb_node_bindings_watched', 'Bindings that volumes of this node use'),
		bytes: gauge('asb_node_memory_bytes', 'Bytes of all files in volumes of this node, and of what offlineFor keeps'),
		limit: gauge('asb_node_memory_limit_bytes', 'What these may be together (--node-memory)'),
		offline: gauge(
			'asb_node_offline_kept',
			'Bindings whose values are kept for pods that start while the vault is away',
		),
		reading: gauge('asb_node_reading_bytes', 'What passes that are under way may hold of values, all together'),
		readingWaits: gauge('asb_node_reading_waiting', 'Passes that wait for room to read'),
		calls: new Histogram({
			name: 'asb_node_call_seconds',
			help: 'Calls of the kubelet',
			labelNames: ['call', 'result'],
			// From what an ordinary republish takes to what the kubelet waits at most.
			buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60, 120],
			registers,
		}),
		failures: new Counter({
			name: 'asb_node_failures_total',
			help: 'Following a volume failed in a way that nobody expects; the log says how. It goes on',
			registers,
		}),
		news: new Counter({
			name: 'asb_node_volume_news_total',
			help: 'What became of volumes: delivered, offline (without the vault), waits, stale, fresh',
			labelNames: ['kind'],
			registers,
		}),
	}
}
