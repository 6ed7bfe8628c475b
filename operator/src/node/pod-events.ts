import type { EventRecorder } from '../ports/event-recorder.ts'
import type { Logger } from '../process/log.ts'
import type { VolumeNews, VolumePod } from './news.ts'
import type { NodeMetrics } from './node-metrics.ts'

/** What becomes of a volume is told where somebody looks who waits for the pod: in events of the pod. */
export function createReporter(
	events: Pick<EventRecorder, 'record'>,
	log: Pick<Logger, 'info' | 'warn'>,
	metrics: Pick<NodeMetrics, 'news'>,
): (pod: VolumePod, news: VolumeNews) => void {
	return ({ namespace, pod, podUid, binding }, news) => {
		metrics.news.inc({ kind: news.kind })
		const regarding = { apiVersion: 'v1', kind: 'Pod', namespace, name: pod, uid: podUid }
		const line = { pod: `${namespace}/${pod}`, binding, news: news.kind }
		const record = (type: 'Normal' | 'Warning', reason: string, note: string) =>
			// The cause stands in the topic: another one is another event.
			events.record({
				regarding,
				type,
				reason,
				action: 'Mount',
				note,
				topic: 'reason' in news ? news.reason : news.kind,
			})
		switch (news.kind) {
			case 'delivered':
			case 'fresh':
				return log.info(line, 'volume')
			case 'offline':
				log.warn(line, 'volume')
				return record(
					'Warning',
					'SecretsMountedOffline',
					`The vault is away. The pod starts with what this node read of the AzureSecretBinding ${binding} before (delivery.volume.offlineFor).`,
				)
			case 'waits':
				log.warn({ ...line, reason: news.reason }, 'volume')
				return record('Warning', 'SecretsNotMounted', `${news.reason}: ${news.message}`)
			case 'stale':
				log.warn({ ...line, reason: news.reason }, 'volume')
				return record(
					'Warning',
					'SecretsNotFresh',
					`${news.reason}: ${news.message} The pod keeps the files that it has.`,
				)
		}
	}
}
