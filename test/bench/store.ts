// What a read costs beside what PURISTA has, what importing costs, and how a large directory behaves. Ratios of one run count; the
// absolute numbers are this machine's.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecretClient } from '@azure/keyvault-secrets'
import { AzureSecretStore } from '@purista/azure-secret-store'
import { DefaultSecretStore, initLogger, SecretStoreBaseClass } from '@purista/core'
import { AzureMountedSecretStore } from 'purista-azure-mounted-secret-store'
import { createTestStore } from 'purista-azure-mounted-secret-store/testing'
import type { Bench } from './cli.ts'
import { quantile } from './numbers.ts'
import { swaps } from './swaps.ts'

const KEYS = 64
const REPEATS = 15
// About a tenth of a second a repeat: long enough for the clock, short enough to interleave the cases against drift of the machine.
const CALLS = 200_000
const LARGE = 10_000
// A Kubernetes Secret holds 1 MiB: a thousand of a kilobyte.
const MOUNTED = 1_000
const logger = initLogger('fatal')
const names = Array.from({ length: KEYS }, (_, i) => `secret-${i}`)
const values = Object.fromEntries(names.map((name) => [name, `value of ${name}`]))

type Read = (...names: string[]) => Promise<Record<string, string | undefined>>

/** The base class with its own cache, filled: what AzureSecretStore does on a hit. */
class CachedStore extends SecretStoreBaseClass {
	constructor() {
		super('CachedStore', { enableCache: true, logger })
	}
	protected override async getSecretImpl<N extends string[]>(...wanted: N): Promise<never> {
		return Object.fromEntries(wanted.map((name) => [name, values[name]])) as never
	}
	protected override async setSecretImpl(): Promise<void> {}
	protected override async removeSecretImpl(): Promise<void> {}
}

async function nsPerCall(read: Read, count: number): Promise<number> {
	const began = process.hrtime.bigint()
	for (let i = 0; i < CALLS; i++) {
		const first = names[i % KEYS] ?? ''
		if (count === 1) await read(first)
		else
			await read(
				first,
				names[(i + 1) % KEYS] ?? '',
				names[(i + 2) % KEYS] ?? '',
				names[(i + 3) % KEYS] ?? '',
				names[(i + 4) % KEYS] ?? '',
			)
	}
	return Number(process.hrtime.bigint() - began) / CALLS
}

async function reads(): Promise<void> {
	const map = new Map(Object.entries(values))
	const bare: Read = async (...wanted) => {
		const result: Record<string, string | undefined> = {}
		for (const name of wanted) result[name] = map.get(name)
		return result
	}
	const upstream = new DefaultSecretStore({ logger, config: values })
	const cached = new CachedStore()
	await cached.getSecret(...names)
	const test = await createTestStore(values)
	// The same vault for both: one that answers at once, so that only the hits count.
	const client = { getSecret: async (name: string) => ({ value: values[name] }) } as unknown as SecretClient
	const azure = new AzureSecretStore({ vaultUrl: 'https://bench.vault.azure.net', logger })
	azure.client = client
	await azure.getSecret(...names)
	const beyond = new AzureMountedSecretStore({ mountPath: [], client, logger, cacheTtl: 3_600_000 })
	await beyond.getSecret(...names)
	const ours = 'AzureMountedSecretStore, mounted'
	const cases: Record<string, Read> = {
		'bare Map behind an async function': bare,
		'base class, cache hit': (...wanted) => cached.getSecret(...wanted),
		DefaultSecretStore: (...wanted) => upstream.getSecret(...wanted),
		'AzureSecretStore, cache hit': (...wanted) => azure.getSecret(...wanted),
		[ours]: (...wanted) => test.store.getSecret(...wanted),
		'AzureMountedSecretStore, mountPath: []': (...wanted) => beyond.getSecret(...wanted),
	}
	for (const count of [1, 5]) {
		const times = new Map(Object.keys(cases).map((name) => [name, [] as number[]]))
		for (let repeat = 0; repeat < REPEATS; repeat++) {
			for (const [name, read] of Object.entries(cases)) {
				const time = await nsPerCall(read, count)
				// The first round warms the compiler up.
				if (repeat > 0) times.get(name)?.push(time)
			}
		}
		const reference = quantile(times.get('DefaultSecretStore') ?? [], 0.5)
		console.log(
			`\nread of ${count} name${count === 1 ? '' : 's'}, medians of ${REPEATS - 1} interleaved repeats of ${CALLS} calls`,
		)
		for (const [name, found] of times) {
			const median = quantile(found, 0.5)
			console.log(
				`  ${name.padEnd(40)} ${median.toFixed(0).padStart(5)} ns   ${(median / reference).toFixed(2)} x DefaultSecretStore`,
			)
		}
	}
	await test.destroy()
	await beyond.destroy()
}

function imports(): void {
	const measure = (statement: string) => {
		const script = `const began = performance.now(); ${statement}; console.log(performance.now() - began, process.memoryUsage().rss / 2 ** 20)`
		const runs = Array.from({ length: 7 }, () =>
			// Without our condition: the built package, not sources whose types are stripped at each start.
			execFileSync(process.execPath, ['--input-type=module', '-e', script], {
				cwd: import.meta.dirname,
				encoding: 'utf8',
			})
				.split(' ')
				.map(Number),
		)
		return [0, 1].map((i) =>
			quantile(
				runs.map((run) => run[i] ?? Number.NaN),
				0.5,
			),
		)
	}
	execFileSync('tsc', ['-p', 'runtime-store/tsconfig.build.json'], {
		cwd: join(import.meta.dirname, '../..'),
		stdio: 'inherit',
	})
	const core = `await import('@purista/core')`
	const store = `${core}; await import('purista-azure-mounted-secret-store')`
	const azure = `${store}; await import('@azure/identity'); await import('@azure/keyvault-secrets')`
	const rows = {
		nothing: '',
		'@purista/core': core,
		'… and this store': store,
		'… and the Azure SDK, as the first write loads it': azure,
	}
	console.log('\nimport, medians of 7 processes')
	for (const [name, statement] of Object.entries(rows)) {
		const [ms = Number.NaN, mb = Number.NaN] = measure(statement)
		console.log(`  ${name.padEnd(50)} ${ms.toFixed(0).padStart(5)} ms   ${mb.toFixed(0).padStart(4)} MB RSS`)
	}
}

async function large(): Promise<void> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-bench-'))
	const plain = join(folder, 'plain')
	await mkdir(plain)
	for (let i = 0; i < LARGE; i++) await writeFile(join(plain, `secret-${i}`), `value ${i}`)
	globalThis.gc?.()
	const before = process.memoryUsage().rss
	const began = performance.now()
	const store = new AzureMountedSecretStore({ mountPath: plain, logger })
	await store.ready(60_000)
	const loaded = performance.now()
	console.log(
		`\nplain directory of ${LARGE} secrets\n  load ${(loaded - began).toFixed(0)} ms, RSS +${((process.memoryUsage().rss - before) / 2 ** 20).toFixed(0)} MB`,
	)
	const changed = new Promise<number>((resolve) => store.onChange(() => resolve(performance.now())))
	const wrote = performance.now()
	await writeFile(join(plain, 'secret-7'), 'another value')
	console.log(`  one file changed to onChange ${((await changed) - wrote).toFixed(0)} ms`)
	await store.destroy()

	const test = await createTestStore(
		Object.fromEntries(Array.from({ length: MOUNTED }, (_, i) => [`secret-${i}`, `value ${i}`])),
	)
	const [swaps, writes]: [number[], number[]] = [[], []]
	for (let i = 0; i < 5; i++) {
		const seen = new Promise<number>((resolve) => {
			const end = test.store.onChange(() => {
				end()
				resolve(performance.now())
			})
		})
		const began = performance.now()
		await test.write({ 'secret-7': `swap ${i}` })
		const wrote = performance.now()
		writes.push(wrote - began)
		swaps.push((await seen) - wrote)
	}
	console.log(`mounted Secret of ${MOUNTED} with a manifest`)
	console.log(
		`  onChange ${quantile(swaps, 0.5).toFixed(0)} ms after the writer was done, which took ${quantile(writes, 0.5).toFixed(0)} ms`,
	)
	await test.destroy()
	rmSync(folder, { recursive: true })
}

export const bench: Bench = {
	title:
		'reads beside DefaultSecretStore, AzureSecretStore and a bare Map; swaps of 500 and 2,000 keys; cost of importing; a directory of 10,000 secrets',
	async run() {
		await reads()
		await swaps()
		imports()
		await large()
	},
}
