import type { Meter, ObservableResult } from '@opentelemetry/api'
import type { MountStatus, StoreStatus } from './status.ts'

// Mounts of one process are a handful; what comes beyond is counted together, so that no mistake makes a series a path.
const MAX_PATHS = 20
const OTHER = 'other'

/** Attribute that tells mounts apart: the path that was configured. */
const MOUNT_PATH = 'asb.mount.path'

type Read = readonly [path: string, value: number | undefined]

interface Instrument {
	readonly name: string
	readonly unit: string
	readonly description: string
	/** `counter`: goes up for ever; `upDown`: a number of things that are summed; `gauge`: a level of its own. */
	readonly kind: 'counter' | 'upDown' | 'gauge'
	readonly read: (status: StoreStatus) => readonly Read[]
}

const ofMounts =
	(read: (mount: MountStatus) => number | undefined) =>
	({ mounts }: StoreStatus): Read[] =>
		mounts.map((mount) => [mount.path, read(mount)])

/** Of the store as a whole: under the paths of all of its mounts. */
const ofStore =
	(read: (status: StoreStatus) => number) =>
	(status: StoreStatus): Read[] => [[status.mounts.map(({ path }) => path).join(',') || 'none', read(status)]]

const INSTRUMENTS: readonly Instrument[] = [
	{
		name: 'asb.store.mount.age',
		unit: 's',
		description: 'Time since the mount was last seen in order',
		kind: 'gauge',
		read: ofMounts(({ ageMs }) => (ageMs === undefined ? undefined : ageMs / 1_000)),
	},
	{
		name: 'asb.store.mount.problems',
		unit: '{mount}',
		description: 'Mounts that cannot be followed',
		kind: 'upDown',
		read: ofMounts(({ problem }) => (problem === undefined ? 0 : 1)),
	},
	{
		name: 'asb.store.manifest.problems',
		unit: '{manifest}',
		description: 'Manifests that cannot be used',
		kind: 'upDown',
		read: ofMounts(({ manifestProblem }) => (manifestProblem === undefined ? 0 : 1)),
	},
	{
		name: 'asb.store.file.problems',
		unit: '{file}',
		description: 'Files that cannot be read',
		kind: 'upDown',
		read: ofMounts(({ faults }) => Object.keys(faults).length),
	},
	{
		name: 'asb.store.mount.loads',
		unit: '{load}',
		description: 'Generations loaded',
		kind: 'counter',
		read: ofMounts(({ loads }) => loads),
	},
	{
		name: 'asb.store.pending_writes',
		unit: '{write}',
		description: 'Own writes that the mounts do not show yet',
		kind: 'upDown',
		read: ofStore(({ pendingWrites }) => pendingWrites),
	},
	{
		name: 'asb.store.fallback.reads',
		unit: '{call}',
		description: 'Reads sent to the vault',
		kind: 'counter',
		read: ofStore(({ fallback }) => fallback.vaultReads),
	},
	{
		name: 'asb.store.fallback.stale_reads',
		unit: '{read}',
		description: 'Reads answered beyond their time in an outage',
		kind: 'counter',
		read: ofStore(({ fallback }) => fallback.staleReads),
	},
]

/** All stores of this process: one instrument has one callback, or the last store would hide the others. */
class Observed {
	readonly #stores = new Set<() => StoreStatus>()
	/** What counters of stores that ended had counted: a counter never goes back. */
	readonly #ended = new Map<string, Map<string, number>>()
	readonly #paths = new Set<string>()
	#observing = false

	add(status: () => StoreStatus): () => void {
		this.#stores.add(status)
		this.#observe()
		return () => {
			if (!this.#stores.delete(status)) return
			const last = status()
			for (const { name, kind, read } of INSTRUMENTS)
				if (kind === 'counter') this.#ended.set(name, this.#sum(this.#ended.get(name), read(last), kind))
		}
	}

	#observe(): void {
		if (this.#observing) return
		this.#observing = true
		void import('./meter.ts').then(
			({ metrics }) => {
				const meter = metrics.getMeter('purista-azure-mounted-secret-store')
				for (const instrument of INSTRUMENTS)
					create(meter, instrument).addCallback((result) => this.#report(instrument, result))
			},
			() => {}, // not installed: no metrics
		)
	}

	#report({ name, kind, read }: Instrument, result: ObservableResult): void {
		let values = new Map(this.#ended.get(name))
		for (const status of this.#stores) values = this.#sum(values, read(status()), kind)
		for (const [path, value] of values) result.observe(value, { [MOUNT_PATH]: path })
	}

	/** Two stores of one mount are told together: what can be counted is summed, of a level the higher is the worse. */
	#sum(
		before: ReadonlyMap<string, number> | undefined,
		reads: readonly Read[],
		kind: Instrument['kind'],
	): Map<string, number> {
		const sums = new Map(before)
		for (const [path, value] of reads) {
			if (value === undefined) continue
			if (this.#paths.size < MAX_PATHS) this.#paths.add(path)
			const key = this.#paths.has(path) ? path : OTHER
			const other = sums.get(key) ?? 0
			sums.set(key, kind === 'gauge' ? Math.max(other, value) : other + value)
		}
		return sums
	}
}

function create(meter: Meter, { name, unit, description, kind }: Instrument) {
	const options = { unit, description }
	if (kind === 'counter') return meter.createObservableCounter(name, options)
	if (kind === 'upDown') return meter.createObservableUpDownCounter(name, options)
	return meter.createObservableGauge(name, options)
}

const observed = new Observed()

/**
 * Reports the status as OpenTelemetry metrics, if the application has `@opentelemetry/api`; exporters are the application's. No
 * attribute names a secret.
 *
 * @returns a function that ends it
 */
export function observeStore(status: () => StoreStatus): () => void {
	return observed.add(status)
}
