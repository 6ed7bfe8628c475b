import { join } from 'node:path'
import { type MeterProvider, metrics, type ObservableCallback } from '@opentelemetry/api'
import { initLogger } from '@purista/core'
import { afterAll, expect, it } from 'vitest'
import { AzureMountedSecretStore } from './index.ts'
import { MANIFEST_FILE } from './manifest/index.ts'
import { AtomicWriter, createTestStore } from './testing/index.ts'

type Kind = 'counter' | 'upDown' | 'gauge'

/** Keeps what the SDK would: of one instrument and one set of attributes only the last observation counts. */
class Meter {
	readonly instruments = new Map<string, { kind: Kind; callbacks: Set<ObservableCallback> }>()
	#create(name: string, kind: Kind) {
		const instrument = this.instruments.get(name) ?? { kind, callbacks: new Set<ObservableCallback>() }
		this.instruments.set(name, instrument)
		return {
			addCallback: (callback: ObservableCallback) => void instrument.callbacks.add(callback),
			removeCallback: (callback: ObservableCallback) => void instrument.callbacks.delete(callback),
		}
	}
	createObservableCounter = (name: string) => this.#create(name, 'counter')
	createObservableUpDownCounter = (name: string) => this.#create(name, 'upDown')
	createObservableGauge = (name: string) => this.#create(name, 'gauge')
	read(name: string): Record<string, number> {
		const seen: Record<string, number> = {}
		const observe = (value: number, attributes: Record<string, unknown> = {}) => {
			seen[`${attributes['asb.mount.path']}`] = value
		}
		for (const callback of this.instruments.get(name)?.callbacks ?? []) void callback({ observe } as never)
		return seen
	}
}

const meter = new Meter()
metrics.setGlobalMeterProvider({ getMeter: () => meter } as unknown as MeterProvider)
afterAll(() => metrics.disable())

it('shows all stores of a process by their mounts, sums those of one mount, and never lets a counter go back', async () => {
	await using one = await createTestStore({ a: '1' })
	await using two = await createTestStore({ b: '1' })
	const again = new AzureMountedSecretStore({ mountPath: one.mountPath, logger: initLogger('fatal') })
	await again.ready()
	await expect.poll(() => meter.instruments.size).toBe(8)
	const loads = () => meter.read('asb.store.mount.loads')
	expect(loads()).toStrictEqual({ [one.mountPath]: 2, [two.mountPath]: 1 })
	expect(meter.read('asb.store.mount.problems')).toStrictEqual({ [one.mountPath]: 0, [two.mountPath]: 0 })
	await again.destroy()
	expect(loads()).toStrictEqual({ [one.mountPath]: 2, [two.mountPath]: 1 })
	await two.vanish()
	expect(meter.read('asb.store.mount.problems')).toStrictEqual({ [one.mountPath]: 0, [two.mountPath]: 1 })
	const writer = new AtomicWriter(join(two.mountPath, '../broken'))
	await writer.write({ [MANIFEST_FILE]: '{"schema":2}', a: '1' })
	const broken = new AzureMountedSecretStore({ mountPath: writer.directory, logger: initLogger('fatal') })
	await broken.ready()
	expect(meter.read('asb.store.manifest.problems')).toMatchObject({ [one.mountPath]: 0, [writer.directory]: 1 })
	await broken.destroy()
	const alone = new AzureMountedSecretStore({
		mountPath: [],
		client: { getSecret: async () => ({ value: '1' }) } as never,
		logger: initLogger('fatal'),
	})
	await alone.getSecret('a')
	expect(meter.read('asb.store.fallback.reads')['none']).toBe(1)
	await alone.destroy()
	expect(meter.read('asb.store.fallback.reads')['none']).toBe(1)
	expect([...meter.instruments].filter(([, { kind }]) => kind === 'counter').map(([name]) => name)).toStrictEqual([
		'asb.store.mount.loads',
		'asb.store.fallback.reads',
		'asb.store.fallback.stale_reads',
	])
})

it('has names and attributes of the form that OpenTelemetry asks for, at most 21 paths', async () => {
	for (const name of meter.instruments.keys()) expect(name).toMatch(/^[a-z]+(\.[a-z]+(_[a-z]+)*)+$/)
	const stores = Array.from(
		{ length: 40 },
		(_, i) => new AzureMountedSecretStore({ mountPath: `/no/such/${i}`, logger: initLogger('fatal') }),
	)
	await Promise.all(stores.map((store) => store.isReady()))
	const seen = meter.read('asb.store.mount.problems')
	expect(Object.keys(seen).length).toBeLessThanOrEqual(21)
	expect(seen).toHaveProperty('other')
	await Promise.all(stores.map((store) => store.destroy()))
})
