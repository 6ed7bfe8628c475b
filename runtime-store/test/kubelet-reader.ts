// Runs in a pod: reads all keys of its mount as fast as a service under load would, and reports for each change how long after the kubelet's
// swap of the link the store had it. One JSON line a change on standard output; the last update ends the lines, not the process.
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { AzureMountedSecretStore } from '../src/index.ts'

const { MOUNT_PATH: mountPath = '', KEYS: keyCount, LAST: last } = process.env
const keys = Array.from({ length: Number(keyCount) }, (_, i) => `key-${i}`)
const store = new AzureMountedSecretStore({ mountPath, logLevel: 'warn' })
let [reads, torn, back, newest] = [0, 0, 0, 0]

/** All values of one read must be the number of one update, and numbers never go down. */
async function read(): Promise<number> {
	const values = new Set(Object.values(await store.getSecret(...keys)))
	const [value] = values
	reads += 1
	if (values.size !== 1) torn += 1
	const seen = Number(value)
	if (seen < newest) back += 1
	newest = Math.max(newest, seen)
	return seen
}

await store.ready(120_000)
// The longest stop of the event loop since the change before.
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
/** Longest CPU time of this thread between two turns of the loop below: what neighbours take of the cores is not in it. */
let longestTurn = 0
const cpu = () => {
	const { user, system } = process.threadCpuUsage()
	return user + system
}
store.onChange(async () => {
	const at = Date.now()
	const { ctimeMs } = lstatSync(join(mountPath, '..data'))
	const update = await read()
	const { loads, watching } = store.status().mounts[0] ?? {}
	const blockMs = delay.max / 1e6
	delay.reset()
	const turnMs = longestTurn / 1e3
	longestTurn = 0
	const told = { update, afterSwapMs: at - ctimeMs, reads, torn, back, loads, watching, blockMs, turnMs }
	process.stdout.write(`${JSON.stringify(told)}\n`)
})
process.stdout.write(`${JSON.stringify({ update: await read(), ready: true })}\n`)
process.once('SIGTERM', () => process.exit(0))
for (let before = cpu(); newest < Number(last); ) {
	await read()
	// Lets the watcher have its turn; some hundred reads a second, between which a swap may fall anywhere.
	await pause(1)
	const now = cpu()
	longestTurn = Math.max(longestTurn, now - before)
	before = now
}
// The pod stays for its log.
setInterval(() => {}, 60_000)
