// What the swap of a mount costs the process that follows it: the longest stop of its event loop, and CPU. The writer is another process,
// as the kubelet is.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MANIFEST_FILE, type Manifest, serializeManifest } from 'purista-azure-mounted-secret-store/manifest'
import { AtomicWriter } from 'purista-azure-mounted-secret-store/testing'
import { fromSource, startChild } from './child.ts'
import { quantile } from './numbers.ts'

// A binding has at most 500 entries of its own; with selectors, and in several mounts, a service may come to four times as many.
const SIZES = [
	{ keys: 500, limitMs: 25 },
	{ keys: 2_000, limitMs: 50 },
]
const SWAPS = 10

/** A generation as the operator writes it: every key in a new version. */
function generation(keys: number, revision: number): Record<string, string> {
	const files: Record<string, string> = {}
	const secrets: Manifest['secrets'] = {}
	for (let i = 0; i < keys; i++) {
		files[`key-${i}`] = `value ${revision} of key ${i}`
		const times = { created: '2026-01-01T00:00:00Z', updated: '2026-01-01T00:00:00Z' }
		const version = `${revision}`.padStart(8, '0') + `${i}`.padStart(24, '0')
		secrets[`key-${i}`] = {
			objectName: `object-${i}`,
			version,
			state: 'Current',
			pinned: false,
			...times,
			tags: {},
			previous: [],
		}
	}
	const binding = { namespace: 'bench', name: 'bench', uid: 'bench' }
	const vault = 'https://bench.vault.azure.net'
	files[MANIFEST_FILE] = serializeManifest({ schema: 1, revision, binding, vault, selectors: [], secrets })
	return files
}

export async function swaps(): Promise<void> {
	// Volumes of Secrets are in memory.
	const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'asb-bench-'))
	console.log(`\nswap of a mount with a manifest, every key changed, writer in another process; ${SWAPS} swaps`)
	for (const { keys, limitMs } of SIZES) {
		const writer = new AtomicWriter(join(folder, `${keys}`))
		await writer.write(generation(keys, 1))
		const child = startChild({
			...fromSource('child-store.ts'),
			args: [...fromSource('child-store.ts').args, writer.directory],
		})
		const rows: { blockMs: number; turnMs: number; cpuMs: number }[] = []
		for (let swap = 0; swap < SWAPS; swap++) {
			const files = generation(keys, swap + 2)
			await child.ask('begin')
			await writer.write(files)
			rows.push(await child.ask('end'))
		}
		await child.end()
		const blocks = rows.map(({ blockMs }) => blockMs)
		const turns = rows.map(({ turnMs }) => turnMs)
		const row = (name: string, values: number[]) =>
			`${name} p50 ${quantile(values, 0.5).toFixed(1)} ms, max ${Math.max(...values).toFixed(1)} ms`
		console.log(
			`  ${String(keys).padStart(5)} keys (bar ${limitMs} ms)   ${row('longest block', blocks)}   ${row('longest turn in CPU time', turns)}`,
		)
	}
	rmSync(folder, { recursive: true })
}
