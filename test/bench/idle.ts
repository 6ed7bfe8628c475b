// The memory of the operator as its image runs it, without a binding: the bundle, its flags and the loader of a pod, against an API server on
// loopback that knows the lease and an empty list. Memory, unlike time, is the same on a busy machine.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { dial } from '../../operator/src/node/testing/kubelet.ts'
import { createAuthority } from '../emulator/src/tls/authority.ts'
import { createLeaf } from '../emulator/src/tls/leaves.ts'
import { until } from '../kit/until.ts'
import type { Program } from './child.ts'

/** MB. */
export interface Memory {
	/** resident, as the kernel counts it */
	readonly rss: number
	/** its peak since the start */
	readonly peak: number
	/** without what other processes share, such as the code of node; undefined where it cannot be read */
	readonly pss: number | undefined
}

export interface Idle extends Memory {
	/** from the start of the process until it leads and has listed the bindings, seconds */
	readonly seconds: number
}

export interface ApiServer {
	/** what a pod has at /var/run/secrets/kubernetes.io/serviceaccount */
	readonly folder: string
	readonly port: number
	/** watches that are open */
	readonly watches: number
	close(): Promise<void>
}

/** An API server without bindings. Refuses what it does not know with 404. */
export async function startApiServer(): Promise<ApiServer> {
	const authority = createAuthority(Date.now())
	const server: Server = createServer(createLeaf(authority, ['127.0.0.1'], Date.now()))
	let lease: unknown
	let watches = 0
	const serve = async (request: IncomingMessage, response: ServerResponse) => {
		const { pathname, searchParams } = new URL(request.url ?? '', 'https://api')
		const answer = (status: number, body: object) => {
			response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
		}
		const body = await text(request)
		if (pathname.endsWith('/azuresecretbindings')) {
			if (!searchParams.has('watch')) return answer(200, { metadata: { resourceVersion: '1' }, items: [] })
			watches += 1
			response.once('close', () => {
				watches -= 1
			})
			response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
			return
		}
		if (!pathname.includes('/leases')) return answer(404, { kind: 'Status', code: 404, message: 'unknown' })
		if (request.method === 'GET') {
			if (lease === undefined)
				return answer(404, { kind: 'Status', code: 404, reason: 'NotFound', message: 'no lease' })
		} else {
			const sent = JSON.parse(body) as { metadata: object }
			lease = { ...sent, metadata: { ...sent.metadata, uid: 'lease', resourceVersion: String(performance.now()) } }
		}
		answer(200, lease as object)
	}
	server.on('request', (request, response) => void serve(request, response))
	await new Promise<void>((resolve) => {
		server.listen(0, '127.0.0.1', resolve)
	})
	const folder = mkdtempSync(join(tmpdir(), 'asb-pod-'))
	writeFileSync(join(folder, 'ca.crt'), authority.certPem)
	writeFileSync(join(folder, 'token'), 'token-of-the-bench')
	return {
		folder,
		port: (server.address() as AddressInfo).port,
		get watches() {
			return watches
		},
		async close() {
			server.closeAllConnections()
			await new Promise((resolve) => {
				server.close(resolve)
			})
			rmSync(folder, { recursive: true, force: true })
		},
	}
}

/** A bare node that does nothing is done with its start after this, and an operator that has just begun to watch as well. */
const SETTLE_MS = 5_000

/** Starts the operator, waits until it watches, and for what its start left to be collected. */
export async function measureIdle({ args, env }: Program, api: ApiServer, settleMs = SETTLE_MS): Promise<Idle> {
	const began = performance.now()
	const flags = ['--namespace=bench', '--service-account=bench', '--identity=bench', '--port=0', '--health-port=0']
	const child = start([...args, ...flags, '--allow-unfenced', `--service-account-folder=${api.folder}`], {
		...env,
		KUBERNETES_SERVICE_HOST: '127.0.0.1',
		KUBERNETES_SERVICE_PORT: String(api.port),
	})
	try {
		await until(
			'the operator to watch',
			async () => api.watches > 0 || (child.exitCode === null ? false : failed(child)),
			{
				timeoutMs: 60_000,
				everyMs: 10,
			},
		)
		const seconds = (performance.now() - began) / 1000
		await sleep(settleMs)
		return { ...memoryOf(child), seconds }
	} finally {
		await end(child)
		await until('its watch to close', async () => api.watches === 0)
	}
}

/**
 * Starts the node role, registers it as a kubelet does, and waits for what its start left to be collected. Before a pod comes it asks its API
 * server nothing.
 */
export async function measureNode({ args, env }: Program, settleMs = SETTLE_MS): Promise<Memory> {
	const kubelet = mkdtempSync(join(tmpdir(), 'asb-kubelet-'))
	// Where the plugin delivers has to be a tmpfs.
	const memory = mkdtempSync('/dev/shm/asb-node-')
	for (const folder of ['plugins', 'plugins_registry', 'pods']) mkdirSync(join(kubelet, folder))
	const flags = [
		'--node-name=bench',
		`--kubelet-root=${kubelet}`,
		`--memory-root=${memory}`,
		'--port=0',
		'--health-port=0',
	]
	const child = start([...args, 'node', ...flags], {
		...env,
		KUBERNETES_SERVICE_HOST: '127.0.0.1',
		KUBERNETES_SERVICE_PORT: '1',
	})
	try {
		const socket = join(kubelet, 'plugins_registry/secrets.purista.dev-reg.sock')
		await until(
			'the node role to listen',
			async () => existsSync(socket) || (child.exitCode === null ? false : failed(child)),
			{
				timeoutMs: 60_000,
			},
		)
		const { endpoint } = await dial(socket).registration.getInfo({})
		await dial(endpoint).node.nodeGetInfo({})
		await dial(endpoint).node.nodeGetCapabilities({})
		await dial(socket).registration.notifyRegistrationStatus({ pluginRegistered: true })
		await sleep(settleMs)
		return memoryOf(child)
	} finally {
		await end(child)
		for (const folder of [kubelet, memory]) rmSync(folder, { recursive: true, force: true })
	}
}

/** What node itself has that waits and does nothing. */
export async function measureBare(settleMs = SETTLE_MS): Promise<Memory> {
	const child = start(['-e', 'setInterval(() => {}, 1e6)'], {})
	try {
		await sleep(settleMs)
		return memoryOf(child)
	} finally {
		await end(child)
	}
}

function start(args: readonly string[], env: Record<string, string>): ChildProcess {
	// Its log says what is wrong when it does not start.
	const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...ENV, ...env } })
	return child
}
// As in the image, and nothing of whoever runs the bench.
const ENV = { NODE_ENV: 'production', HOME: '/', PATH: '/usr/bin:/bin' }

function failed({ exitCode }: ChildProcess): never {
	throw new Error(`it ended with ${exitCode}`)
}

async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null) return
	const gone = new Promise((resolve) => {
		child.once('close', resolve)
	})
	child.kill('SIGTERM')
	await gone
}

function memoryOf({ pid }: ChildProcess): Memory {
	const status = readFileSync(`/proc/${pid}/status`, 'utf8')
	const read = (from: string, field: string) =>
		Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(from)?.[1]) / 1024
	let pss: number | undefined
	try {
		pss = read(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss')
	} catch {
		// A kernel that does not have it, or does not let us.
	}
	return { rss: read(status, 'VmRSS'), peak: read(status, 'VmHWM'), pss }
}

export const median = (values: readonly number[]): number => {
	const sorted = values.toSorted((a, b) => a - b)
	return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
