import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { until } from '../kit/until.ts'
import { bundled, type Child, startChild } from './child.ts'
import type { NodeChild } from './child-node.ts'
import type { Bench } from './cli.ts'
import { type NodeWorld, openNodeWorld } from './node-world.ts'
import { quantile } from './numbers.ts'
import { type Memory, partsOf } from './reach.ts'

/** A node role that has just started, and one after a burst, is done with it after this. */
const SETTLE_MS = 10_000

/**
 * The share of the node role alone, in `mount`: its process as the image runs it, a kubelet's calls, an API server and a vault that answer at
 * once. No cluster, so neither pods nor a kubelet take its processors.
 */
export const bench: Bench = {
	title:
		'the node role alone, with 50 volumes of 20 secrets: vault calls, status to files, RSS, CPU (no cluster: --pods N --secrets N --rotations N --flag NODE-FLAG --snapshot FILE --log)',
	async run(args) {
		const { values } = parseArgs({
			args: [...args],
			options: {
				pods: { type: 'string', default: '50' },
				secrets: { type: 'string', default: '20' },
				rotations: { type: 'string', default: '10' },
				flag: { type: 'string', multiple: true, default: [] },
				snapshot: { type: 'string' },
				log: { type: 'boolean', default: false },
			},
		})
		const [pods, secrets, rotations] = [Number(values.pods), Number(values.secrets), Number(values.rotations)]
		const program = await bundled('child-node.ts', values.flag, 'node')
		const world = await openNodeWorld(secrets)
		const child = startChild(program)
		try {
			const options: NodeChild = { ...world.reach, flags: world.flags, logLevel: values.log ? 'debug' : 'warn' }
			await child.ask(JSON.stringify(options))
			await until(
				'the node role to register',
				() =>
					world.register().then(
						() => true,
						() => false,
					),
				{ everyMs: 100 },
			)
			// Values settle meanwhile.
			await sleep(SETTLE_MS)
			await printMemory(child, 'idle')
			await startAll(world, child, pods)
			await printMemory(child, `${pods} volumes, just published`)
			await sleep(SETTLE_MS)
			await printMemory(child, `${pods} volumes`)
			await rotateAll(world, child, pods, rotations)
			await sleep(SETTLE_MS)
			await printMemory(child, `${pods} volumes after ${rotations} rotations`)
			if (values.snapshot) await child.ask(`snapshot ${values.snapshot}`)
			for (let pod = 0; pod < pods; pod++) await world.unpublish(pod)
			await sleep(SETTLE_MS)
			await printMemory(child, 'without volumes again')
			console.log(
				`  load of the machine ${loadavg()
					.map((each) => each.toFixed(1))
					.join(' ')}`,
			)
		} finally {
			await child.end()
			program.remove()
			await world.close()
		}
	},
}

const cpuOf = async (child: Child) => (await child.ask<{ cpu: number }>('usage')).cpu

async function startAll(world: NodeWorld, child: Child, pods: number): Promise<void> {
	const [began, cpu] = [Date.now(), await cpuOf(child)]
	await Promise.all(Array.from({ length: pods }, (_, pod) => world.publish(pod)))
	const took = Date.now() - began
	console.log(
		`  ${pods} publish calls at once: ${took} ms, ${((await cpuOf(child)) - cpu).toFixed(2)} s of CPU; ${await callsSince(world, began)}`,
	)
}

async function callsSince({ emulator, clientId }: NodeWorld, since: number): Promise<string> {
	const all = (await emulator.control.requests({ since })).filter((each) => each.clientId === clientId)
	const reads = all.filter(({ route, status }) => route === 'getSecret' && status === 200)
	const tokens = all.filter(({ kind, status }) => kind === 'token' && status === 200)
	const most = Math.max(0, ...[...Map.groupBy(reads, ({ secret }) => secret).values()].map((each) => each.length))
	return `${reads.length} reads (at most ${most} of one), ${tokens.length} tokens`
}

async function rotateAll(world: NodeWorld, child: Child, pods: number, rotations: number): Promise<void> {
	const all: number[] = []
	for (let rotation = 0; rotation < rotations; rotation++) {
		const [began, cpu] = [Date.now(), await cpuOf(child)]
		const { version, toldAt } = await world.rotate('s-0')
		const swaps: number[] = []
		for (let pod = 0; pod < pods; pod++)
			swaps.push((await until('the swap', async () => swapOf(world.targetOf(pod), version), { everyMs: 20 })) - toldAt)
		all.push(...swaps)
		// The value is read once more when it is settled.
		await sleep(4_000)
		const used = (await cpuOf(child)) - cpu
		console.log(
			`  rotation ${rotation}: status → files ${Math.min(...swaps).toFixed(0)} to ${Math.max(...swaps).toFixed(0)} ms, ${used.toFixed(2)} s of CPU; ${await callsSince(world, began)}`,
		)
	}
	const at = (q: number) => `${quantile(all, q).toFixed(0)} ms`
	console.log(`  status → files in all volumes: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`)
}

/** @returns when the files of this version were swapped in, or false. The change time of the link is that of the rename */
function swapOf(target: string, version: string): number | false {
	try {
		const link = join(target, '..data')
		const text = readFileSync(join(target, readlinkSync(link), '.binding.json'), 'utf8')
		const { secrets } = JSON.parse(text) as { secrets: Record<string, { version: string }> }
		return secrets['s-0']?.version === version && lstatSync(link).ctimeMs
	} catch {
		// Swapped meanwhile.
		return false
	}
}

async function printMemory(child: Child, when: string): Promise<void> {
	const memory = await child.ask<Memory>('memory')
	console.log(
		`  ${when}: RSS ${memory.rss.toFixed(1)} MB (at most ${memory.peak.toFixed(1)}; ${partsOf(memory)}; external ${(memory.external / 2 ** 20).toFixed(1)})`,
	)
}
