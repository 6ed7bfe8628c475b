import { once } from 'node:events'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../../../test/kit/until.ts'
import type { Clock } from '../process/clock.ts'
import { createLogger } from '../process/log.ts'
import { createMetrics } from '../process/metrics.ts'
import { runNode } from './node.ts'
import { parseNodeConfig } from './node-config.ts'

const MINUTE_MS = 60_000
/** How long the loop that looks after the sockets sleeps, and no other one. */
const CHECK_MS = 1_000

let root: string
let port: number
let node: Promise<void>
let stopping: AbortController
let time: TestTime

interface TestTime {
	ms: number
	/** loops that hang */
	readonly hanging: number
	/** Moves time on by a second once the loop that looks after the sockets has gone round: what it does may take a busy machine long. */
	second(): Promise<void>
	/** Who sleeps from now on does not wake. */
	hang(): void
	goOn(): void
	readonly clock: Clock
}

/** Time stands still until a test moves it, and who sleeps wakes at once. */
function createTime(): TestTime {
	let stop: PromiseWithResolvers<void> | undefined
	let hanging = 0
	/** how often the loop that looks after the sockets has slept */
	let rounds = 0
	const time: TestTime = {
		ms: 0,
		get hanging() {
			return hanging
		},
		async second() {
			const before = rounds
			await until('the loop to go round', async () => rounds >= before + 2, { everyMs: 1 })
			time.ms += 1_000
		},
		hang() {
			stop = Promise.withResolvers()
		},
		goOn() {
			stop?.resolve()
			stop = undefined
		},
		clock: {
			now: () => Date.now(),
			monotonic: () => time.ms,
			async sleep(ms, signal) {
				if (ms === CHECK_MS) rounds++
				if (stop) {
					hanging++
					await stop.promise
					hanging--
				}
				await sleep(5)
				signal?.throwIfAborted()
			},
		},
	}
	return time
}

/** A port that nobody has. */
async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1')
	await once(server, 'listening')
	const { port } = server.address() as AddressInfo
	server.close()
	await once(server, 'close')
	return port
}

/** As the kubelet asks, but for as long as a busy machine takes. */
const probe = async () => {
	const response = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(30_000) })
	return { status: response.status, text: (await response.text()).trim() }
}

beforeEach(async () => {
	root = await mkdtemp('/dev/shm/asb-live-')
	for (const folder of ['plugins', 'plugins_registry', 'pods']) await mkdir(join(root, folder))
	port = await freePort()
	const flags = [`--kubelet-root=${root}`, `--memory-root=${root}/memory`, '--port=0', `--health-port=${port}`]
	const parsed = parseNodeConfig(['--node-name=node-1', ...flags], {})
	if (parsed.kind !== 'run') throw new Error(JSON.stringify(parsed))
	time = createTime()
	stopping = new AbortController()
	node = runNode({
		config: parsed.config,
		kubeConfig: {
			getCurrentCluster: () => ({ name: 'none', server: 'https://127.0.0.1:1', skipTLSVerify: false }),
			async applyToHTTPSOptions() {},
		},
		version: '0.1.0',
		clock: time.clock,
		random: () => 0,
		log: createLogger({ level: 'silent' }),
		metrics: createMetrics({ clock: time.clock, process: false, role: 'node' }),
		signal: stopping.signal,
	})
	await until('the node role to be alive', async () => (await probe()).status === 200, { everyMs: 10 })
})
afterEach(async () => {
	time.goOn()
	stopping.abort(new Error('the test ends'))
	await node
	await rm(root, { recursive: true, force: true })
})

it('is alive for as long as it looks after its sockets, and not a minute after it has stopped to', async () => {
	const before = time.ms
	while (time.ms < before + 5 * MINUTE_MS) {
		expect(await probe()).toEqual({ status: 200, text: 'ok' })
		await time.second()
	}
	time.hang()
	// The loop that looks, the one that tidies up, and the one that collects.
	await until('all loops to hang', async () => time.hanging === 3, { everyMs: 10 })
	time.ms += MINUTE_MS / 2
	expect(await probe()).toEqual({ status: 200, text: 'ok' })
	time.ms += MINUTE_MS
	expect(await probe()).toEqual({ status: 503, text: 'nobody has looked after the sockets for a minute' })
	time.goOn()
	await until('it to be alive again', async () => (await probe()).status === 200, { everyMs: 10 })
})

it('is not alive any more when its socket is gone and cannot be had back, and is once it can', async () => {
	const folder = join(root, 'plugins/secrets.purista.dev')
	await rename(folder, `${folder}.gone`)
	// Nothing can be bound in a file.
	await writeFile(folder, '')
	const lost = time.ms
	const { text } = await until(
		'the probe to fail',
		async () => {
			await time.second()
			const answer = await probe()
			return answer.status === 503 && answer
		},
		{ everyMs: 10 },
	)
	expect(text).toBe('the sockets cannot be taken back')
	expect(time.ms - lost).toBeGreaterThan(MINUTE_MS)
	await rm(folder)
	await until('the sockets to be taken back', async () => (await probe()).status === 200, { everyMs: 10 })
})
