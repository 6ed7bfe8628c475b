import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { until } from '../kit/until.ts'
import { bundled, type Child, startChild } from './child.ts'
import type { NodeChild } from './child-node.ts'
import type { Bench } from './cli.ts'
import { byConstructor, type Sizes } from './heap.ts'
import { type NodeWorld, openNodeWorld } from './node-world.ts'
import type { Memory } from './reach.ts'

const COUNTED_AT = [0, 2_500, 5_000, 10_000]
const SECRETS = 20
/** Volumes, each with one call under way. */
const VOLUMES = 4
/** The first calls compile what all of them run. */
const WARM = 500
/** Of a constructor: what has grown by less is noise. */
const LEAST_BYTES = 8 * 1024

/** A kubelet calls each minute and a half for as long as a pod runs: whatever a call leaves behind adds up for weeks. */
export const bench: Bench = {
	title:
		'what a republish leaves in the node role: heap and RSS after forced collections, by calls on its socket (no cluster: --most N)',
	async run(args) {
		const { values } = parseArgs({ args: [...args], options: { most: { type: 'string', default: '10000' } } })
		const most = Number(values.most)
		const program = await bundled('child-node.ts', ['--expose-gc'], 'node')
		const world = await openNodeWorld(SECRETS)
		const folder = mkdtempSync(join(tmpdir(), 'asb-heap-'))
		const child = startChild(program)
		try {
			await startNode(world, child)
			await call(world, WARM)
			const first = await sizesOf(child, join(folder, 'first'))
			let calls = 0
			for (const wanted of [...COUNTED_AT.filter((each) => each < most), most]) {
				await call(world, wanted - calls)
				calls = wanted
				await printMemory(child, calls)
			}
			printGrown(first, await sizesOf(child, join(folder, 'last')), calls)
			console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}`)
		} finally {
			await child.end()
			program.remove()
			rmSync(folder, { recursive: true, force: true })
			await world.close()
		}
	},
}

async function startNode(world: NodeWorld, child: Child): Promise<void> {
	const options: NodeChild = { ...world.reach, flags: world.flags, logLevel: 'warn' }
	await child.ask(JSON.stringify(options))
	const registers = () =>
		world.register().then(
			() => true,
			() => false,
		)
	await until('the node role to register', registers, { everyMs: 100 })
	for (let volume = 0; volume < VOLUMES; volume++) await world.publish(volume)
}

async function call(world: NodeWorld, times: number): Promise<void> {
	let left = times
	const one = async (volume: number) => {
		while (left-- > 0) await world.publish(volume)
	}
	await Promise.all(Array.from({ length: VOLUMES }, (_, volume) => one(volume)))
}

/** The snapshot collects before it is taken. */
async function sizesOf(child: Child, file: string): Promise<Sizes> {
	const { snapshot } = await child.ask<{ snapshot: string }>(`snapshot ${file}`)
	return byConstructor(snapshot)
}

async function printMemory(child: Child, calls: number): Promise<void> {
	// Twice: what the first one finalizes goes with the second.
	for (let i = 0; i < 2; i++) {
		const { collected } = await child.ask<{ collected: boolean }>('collect')
		if (!collected) throw new Error('the node role runs without --expose-gc')
	}
	const { rss, heapUsed, external } = await child.ask<Memory>('memory')
	const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`
	console.log(
		`  ${String(calls).padStart(6)} calls: heap in use ${kib(heapUsed)}, external ${kib(external)}, RSS ${rss.toFixed(1)} MiB`,
	)
}

function printGrown(first: Sizes, last: Sizes, calls: number): void {
	const none = { count: 0, bytes: 0 }
	const grown = [...last].map(([name, { count, bytes }]) => {
		const before = first.get(name) ?? none
		return { name, count: count - before.count, bytes: bytes - before.bytes }
	})
	const worth = grown.filter(({ bytes }) => bytes >= LEAST_BYTES).toSorted((a, b) => b.bytes - a.bytes)
	console.log(`  by constructor, after ${calls} calls and before them (at least ${LEAST_BYTES / 1024} KiB more):`)
	for (const { name, count, bytes } of worth)
		console.log(`    ${name}: ${count} more, ${bytes} bytes, ${(bytes / calls).toFixed(1)} a call`)
	if (worth.length === 0) console.log('    none')
}
