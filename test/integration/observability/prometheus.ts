// A Prometheus of our own on loopback, with its data in a temporary folder.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { aptInstall } from '../../cluster/engine/apt.ts'
import { endProcess, identify } from '../../cluster/process.ts'
import { until } from '../../kit/until.ts'

export type Binaries = { kind: 'ok'; prometheus: string; promtool: string } | { kind: 'missing'; reason: string }

function onPath(name: string): string | undefined {
	const folders = (process.env['PATH'] ?? '').split(delimiter)
	return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}

function find(): Binaries | undefined {
	const [prometheus, promtool] = [onPath('prometheus'), onPath('promtool')]
	return prometheus && promtool ? { kind: 'ok', prometheus, promtool } : undefined
}

/**
 * Prometheus from the PATH. As root on Debian the package is installed when it is missing, without starting the service that
 * it brings; elsewhere, or when the package cannot be had, why there is none.
 */
export async function prometheusBinaries(): Promise<Binaries> {
	const present = find()
	if (present) return present
	const missing = (reason: string): Binaries => ({ kind: 'missing', reason })
	if (!existsSync('/etc/debian_version')) return missing('there is no prometheus and promtool on the PATH')
	if (process.getuid?.() !== 0)
		return missing('there is no prometheus on the PATH (Debian: apt-get install prometheus)')
	const logs = mkdtempSync(join(tmpdir(), 'asb-apt-'))
	try {
		const progress = { step: <T>(_: string, run: (say: (detail: string) => void) => Promise<T>) => run(() => {}) }
		await aptInstall({ progress, paths: { logs } }, ['prometheus'])
	} catch (error) {
		return missing(error instanceof Error ? error.message : String(error))
	} finally {
		rmSync(logs, { recursive: true, force: true })
	}
	return find() ?? missing('the package prometheus brought no prometheus and promtool')
}

/** One element of an instant vector. */
export interface Sample {
	metric: Record<string, string>
	value: number
}

export interface Prometheus extends AsyncDisposable {
	/** Asks for an instant vector, now or at `time` (seconds since 1970). Rejects with what Prometheus says of the query. */
	query(expression: string, time?: number): Promise<Sample[]>
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1')
	await once(server, 'listening')
	const address = server.address()
	await new Promise((resolve) => {
		server.close(resolve)
	})
	if (typeof address !== 'object' || address === null) throw new Error('no port')
	return address.port
}

/** Starts a Prometheus that scrapes `127.0.0.1:port/metrics` every `everyMs`; resolves when it answers queries. */
export async function startPrometheus(program: string, port: number, everyMs: number): Promise<Prometheus> {
	const folder = mkdtempSync(join(tmpdir(), 'asb-prometheus-'))
	const config = join(folder, 'prometheus.yml')
	const global = { scrape_interval: `${everyMs}ms`, scrape_timeout: `${everyMs}ms` }
	const job = { job_name: 'operator', static_configs: [{ targets: [`127.0.0.1:${port}`] }] }
	// JSON is YAML.
	writeFileSync(config, JSON.stringify({ global, scrape_configs: [job] }))
	const listen = `127.0.0.1:${await freePort()}`
	const child = spawn(
		program,
		[
			`--config.file=${config}`,
			`--storage.tsdb.path=${join(folder, 'data')}`,
			`--web.listen-address=${listen}`,
			'--log.level=warn',
		],
		{ stdio: ['ignore', 'ignore', 'pipe'] },
	)
	let said = ''
	child.stderr.on('data', (chunk: Buffer) => {
		said = (said + chunk.toString()).slice(-10_000)
	})
	await once(child, 'spawn')
	const id = identify(child.pid ?? 0)
	const stop = async () => {
		await endProcess(id, 5_000)
		rmSync(folder, { recursive: true, force: true })
	}
	try {
		await until(
			'Prometheus to be ready',
			async () => {
				if (child.exitCode === null) return (await fetch(`http://${listen}/-/ready`)).ok
				throw new Error(said)
			},
			{ timeoutMs: 30_000 },
		)
	} catch (error) {
		await stop()
		throw error
	}
	return {
		async query(expression, time) {
			const body = new URLSearchParams({ query: expression, ...(time === undefined ? {} : { time: String(time) }) })
			const response = await fetch(`http://${listen}/api/v1/query`, { method: 'POST', body })
			const answer = (await response.json()) as {
				error?: string
				data?: { result: { metric: Record<string, string>; value: [number, string] }[] }
			}
			if (!answer.data) throw new Error(`${expression}: ${answer.error ?? response.status}`)
			return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
		},
		[Symbol.asyncDispose]: stop,
	}
}
