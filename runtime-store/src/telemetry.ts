import type { ObservableResult } from '@opentelemetry/api'
import type { StoreStatus } from './status.ts'

/**
 * Reports the status as OpenTelemetry metrics, if the application has `@opentelemetry/api`; exporters are the application's. No
 * attribute names a secret.
 *
 * @returns a function that ends it
 */
export function observeStore(status: () => StoreStatus): () => void {
	let ended = false
	let end = () => {}
	const instruments: ReadonlyArray<
		readonly [name: string, unit: string, description: string, read: (status: StoreStatus) => number | undefined]
	> = [
		[
			'asb.store.mount.age',
			'ms',
			'Time since the least recently seen mount was last seen in order',
			({ mounts }) => (mounts.length === 0 ? undefined : Math.max(...mounts.map((mount) => mount.ageMs ?? 0))),
		],
		[
			'asb.store.mount.problems',
			'{mount}',
			'Mounts that cannot be followed',
			({ mounts }) => mounts.filter((m) => m.problem !== undefined).length,
		],
		[
			'asb.store.mount.loads',
			'{load}',
			'Generations loaded',
			({ mounts }) => mounts.reduce((sum, mount) => sum + mount.loads, 0),
		],
		[
			'asb.store.pending_writes',
			'{write}',
			'Own writes that the mounts do not show yet',
			({ pendingWrites }) => pendingWrites,
		],
		['asb.store.fallback.reads', '{call}', 'Reads sent to the vault', ({ fallback }) => fallback.vaultReads],
		[
			'asb.store.fallback.stale_reads',
			'{read}',
			'Reads answered beyond their time in an outage',
			({ fallback }) => fallback.staleReads,
		],
	]
	void import('@opentelemetry/api').then(
		({ metrics }) => {
			if (ended) return
			const meter = metrics.getMeter('purista-azure-mounted-secret-store')
			const ends = instruments.map(([name, unit, description, read]) => {
				const gauge = meter.createObservableGauge(name, { unit, description })
				const observe = (result: ObservableResult) => {
					const value = read(status())
					if (value !== undefined) result.observe(value)
				}
				gauge.addCallback(observe)
				return () => gauge.removeCallback(observe)
			})
			end = () => {
				for (const each of ends) each()
			}
		},
		() => {}, // not installed: no metrics
	)
	return () => {
		ended = true
		end()
	}
}
