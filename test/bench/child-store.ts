// A process that holds a store, and tells how long its event loop stood still while the mount was swapped by another process.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { initLogger } from '@purista/core'
import { AzureMountedSecretStore } from 'purista-azure-mounted-secret-store'

const store = new AzureMountedSecretStore({ mountPath: process.argv[2] ?? '', logger: initLogger('fatal') })
await store.ready(60_000)
const delay = monitorEventLoopDelay({ resolution: 1 })
let wake = () => {}
store.onChange(() => wake())
const lines = createInterface({ input: process.stdin })
/** Longest turn of the event loop in CPU time of its thread: what a busy machine takes away by giving the cores to others is not in it. */
let longestTurn = 0
let probing = false
function probe(last: number): void {
	const { user, system } = process.threadCpuUsage()
	longestTurn = Math.max(longestTurn, user + system - last)
	if (probing) setImmediate(probe, user + system)
}
let change = Promise.resolve()
let cpu = process.cpuUsage()
for await (const line of lines) {
	if (line === 'begin') {
		// The watcher of the first load has settled by now; what is measured is the swap.
		change = new Promise((resolve) => {
			wake = resolve
		})
		delay.reset()
		delay.enable()
		cpu = process.cpuUsage()
		longestTurn = 0
		probing = true
		probe(Number.POSITIVE_INFINITY)
		console.log('{}')
	} else {
		await change
		// One more turn, so that the delay that ends with the change is counted.
		await new Promise((resolve) => setTimeout(resolve, 50))
		delay.disable()
		probing = false
		const { user, system } = process.cpuUsage(cpu)
		console.log(JSON.stringify({ blockMs: delay.max / 1e6, turnMs: longestTurn / 1e3, cpuMs: (user + system) / 1e3 }))
	}
}
await store.destroy()
