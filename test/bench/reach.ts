// The other side of child.ts: what a child makes of its first line.
import { readFileSync } from 'node:fs'
import type { Agent, RequestOptions } from 'node:https'
import { createInterface } from 'node:readline'
import { getHeapSpaceStatistics, getHeapStatistics, type HeapSpaceInfo } from 'node:v8'
import type { KubeAccess } from '../../operator/src/cluster/pod-access.ts'
import { createVaultAgent } from '../../operator/src/vault/agent.ts'

/** How children reach API server and emulator. Goes over standard input: arguments can be seen by everybody. */
export interface Reach {
	readonly api: Api
	readonly emulator: { readonly port: number; readonly caPem: string }
}

/** An API server and who we are there. The library for kubeconfig files stays with the parent: no pod loads it. */
export interface Api {
	readonly server: string
	readonly headers: Record<string, string>
	/** PEM, by the name of node's option */
	readonly tls: Record<string, string>
}

/** Of the parent's kubeconfig. */
export async function apiOf(kubeConfig: KubeAccess): Promise<Api> {
	const options: RequestOptions = {}
	await kubeConfig.applyToHTTPSOptions(options)
	const { ca, cert, key, headers = {} } = options
	const given = Object.entries({ ca, cert, key }).filter(([, value]) => value !== undefined)
	return {
		server: kubeConfig.getCurrentCluster()?.server ?? '',
		headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
		tls: Object.fromEntries(given.map(([name, value]) => [name, String(value)])),
	}
}

export interface Usage {
	/** MB; peak as the kernel counts it */
	readonly maxRss: number
	readonly rss: number
	readonly external: number
	/** user and system, seconds */
	readonly cpu: number
}

/** Of this process, for its parent. */
export function usageOfThis(): Usage {
	const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
	const { rss, external } = process.memoryUsage()
	const mb = (bytes: number) => Math.round(bytes / 2 ** 20)
	return {
		maxRss: mb(peakOfThis() ?? maxRSS * 1024),
		rss: mb(rss),
		external: mb(external),
		cpu: (userCPUTime + systemCPUTime) / 1e6,
	}
}

/** Linux: maxRSS of getrusage also counts what the parent had at the fork. */
function peakOfThis(): number | undefined {
	try {
		const kb = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
		return kb === undefined ? undefined : Number(kb) * 1024
	} catch {
		return undefined
	}
}

/** Memory of this process by parts. */
export interface Memory extends NodeJS.MemoryUsage {
	/** resident, its peak, and what of it is of files that are mapped (the code of node and libraries), MB */
	readonly rss: number
	readonly peak: number
	readonly files: number
	/** of V8's heap: what of it is resident, and its spaces, bytes */
	readonly physical: number
	readonly spaces: readonly HeapSpaceInfo[]
}

export function memoryOfThis(): Memory {
	const status = readFileSync('/proc/self/status', 'utf8')
	const mb = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024
	const physical = getHeapStatistics().total_physical_size
	const spaces = getHeapSpaceStatistics()
	return { ...process.memoryUsage(), rss: mb('VmRSS'), peak: mb('VmHWM'), files: mb('RssFile'), physical, spaces }
}

/** What its resident memory is made of: `malloc` is what is left, with the stacks of threads. */
export function partsOf({ rss, files, physical, heapUsed, spaces }: Memory): string {
	const mb = (bytes: number) => bytes / 2 ** 20
	const of = (prefix: string) =>
		mb(
			spaces
				.filter(({ space_name }) => space_name.startsWith(prefix))
				.reduce((sum, { physical_space_size }) => sum + physical_space_size, 0),
		)
	const heap = `heap ${mb(physical).toFixed(1)} with ${mb(heapUsed).toFixed(1)} in use, ${of('new_').toFixed(1)} for young and ${of('code_').toFixed(1)} for code`
	return `mapped files ${files.toFixed(1)}, ${heap}, malloc ${(rss - files - mb(physical)).toFixed(1)}`
}

/** What nobody holds any more goes; false: node was started without --expose-gc. */
export function collect(): { readonly collected: boolean } {
	globalThis.gc?.()
	return { collected: globalThis.gc !== undefined }
}

/** The lines of the parent; they end when it closes them or is gone. */
export function linesOfParent(): AsyncIterator<string> {
	return createInterface({ input: process.stdin })[Symbol.asyncIterator]()
}

export const tell = (answer: object) => void process.stdout.write(`${JSON.stringify(answer)}\n`)

export const accessOf = ({ api }: Reach): KubeAccess => ({
	getCurrentCluster: () => ({ name: 'bench', server: api.server, skipTLSVerify: false }),
	async applyToHTTPSOptions(options: RequestOptions) {
		Object.assign(options, api.tls)
		options.headers = { ...options.headers, ...api.headers }
	},
})

/** The operator's own connections, but all lead to the emulator, whatever a URL means. */
export function agentOf({ emulator }: Reach): Agent {
	const agent = createVaultAgent(emulator.caPem)
	const connect = agent.createConnection.bind(agent)
	agent.createConnection = (options, done) => connect({ ...options, host: '127.0.0.1', port: emulator.port }, done)
	return agent
}
