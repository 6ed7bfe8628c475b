import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { type Docker, findDockerCli, tryDocker } from '../docker.ts'
import { descendantsOf, endProcess, identify, isAlive, processesWith } from '../process.ts'
import { run, tryRun } from '../run.ts'
import { changeState, readState } from '../state.ts'
import { which } from '../which.ts'
import { aptInstall } from './apt.ts'
import { missingCapabilities, runtimeWrapper } from './capabilities.ts'
import { restoreRules } from './iptables.ts'
import { noteMachine } from './machine.ts'

/** Installed by step 3 below. */
const DAEMON = 'dockerd'
/** Our bridge has a name of its own, so that nothing mistakes it for the machine's docker0. */
const BRIDGE = 'asb0'
/** Last /24 of the range that docker's own default networks (172.17 to 172.31) reach last. */
const BRIDGE_ADDRESS = '172.31.255.1/24'
/** From start to first answer takes 2 s; the first start of a data folder somewhat more. */
const START_TIMEOUT_MS = 60_000
/** dockerd gives containers 10 s to stop, one after the other at worst. */
const STOP_GRACE_MS = 45_000
/** A path longer than this cannot be a Unix socket (sun_path in unix(7), 108 bytes with the final zero). */
const SOCKET_PATH_MAX = 107

const files = (context: Pick<Context, 'paths'>) => ({
	socket: join(context.paths.engine, 'docker.sock'),
	data: join(context.paths.engine, 'data'),
	exec: join(context.paths.engine, 'exec'),
	pid: join(context.paths.engine, 'pid'),
	log: join(context.paths.engine, 'log'),
	runtime: join(context.paths.engine, 'runc-wrapper'),
})

/** Our own engine, started or not. Rejects when there is no command line for it. */
export async function ownEngine(context: Pick<Context, 'paths'>): Promise<Docker> {
	const cli = await findDockerCli()
	if (!cli)
		throw new Error(
			'no docker command that can build with BuildKit: install docker.io, or the buildx plugin of the one on PATH',
		)
	return { cli, env: { ...process.env, DOCKER_HOST: engineHost(context), DOCKER_CONTEXT: undefined } }
}

/** Value of DOCKER_HOST for our own engine. */
export const engineHost = (context: Pick<Context, 'paths'>) => `unix://${files(context).socket}`

export function engineRuns(context: Context): boolean {
	const id = readState(context.paths.state).engine?.process
	return id !== undefined && isAlive(id) && existsSync(files(context).socket)
}

/**
 * Starts an engine of our own: own socket, bridge and data folder, all in the cache.
 *
 * 1. Ours runs: done. Something of an earlier one is left (a crash): end it first.
 * 2. Another dockerd in this network namespace: refuse. The second would rebuild the first one's chains.
 * 3. Install docker.io; its own daemon is kept from starting.
 * 4. Note the machine's settings and rules before the first change, so that `down` can go back, even after a crash.
 * 5. Bridge, runtime wrapper, dockerd in a session of its own: Ctrl-C on our terminal must not end it.
 * 6. Wait until it answers.
 */
export async function startEngine(context: Context): Promise<void> {
	if (engineRuns(context)) return
	if (readState(context.paths.state).engine) await stopEngine(context)
	const { socket, data, exec, pid, log, runtime } = files(context)
	if (socket.length > SOCKET_PATH_MAX)
		throw new Error(`${socket} is too long for a socket: set ASB_CACHE to a shorter path`)
	for (const other of processesWith('dockerd')) {
		if (!/(^|\/)dockerd( |$)/.test(other.command.split(' ')[0] ?? '')) continue
		throw new Error(
			`a Docker engine runs already (process ${other.pid}: ${other.command.slice(0, 200)}) but does not answer here. ` +
				'Two engines on one machine break each other: set DOCKER_HOST to use that one, or stop it.',
		)
	}
	// Another package may have brought a dockerd that is not running: Debian's would replace it.
	const daemon = which(DAEMON) === undefined ? ['docker.io'] : []
	await aptInstall(context, [...daemon, 'iptables', 'iproute2', 'ca-certificates'])
	await context.progress.step('engine: start', async () => {
		const before = readState(context.paths.state).before ?? (await noteMachine(true))
		changeState(context.paths.state, (state) => ({ ...state, before, engine: {} }))
		for (const folder of [data, exec]) mkdirSync(folder, { recursive: true })
		const runc = which('runc')
		if (!runc) throw new Error('dockerd is there, but no runc: apt-get install runc')
		const missing = missingCapabilities(readFileSync('/proc/self/status', 'utf8'))
		writeFileSync(runtime, runtimeWrapper(missing, runc), { mode: 0o755 })
		await run('ip', ['link', 'add', BRIDGE, 'type', 'bridge'])
		await run('ip', ['addr', 'add', BRIDGE_ADDRESS, 'dev', BRIDGE])
		await run('ip', ['link', 'set', BRIDGE, 'up'])
		const output = openSync(log, 'w')
		const args = [
			'--data-root',
			data,
			'--exec-root',
			exec,
			'--pidfile',
			pid,
			'--host',
			`unix://${socket}`,
			'--bridge',
			BRIDGE,
		]
		const child = spawn(DAEMON, [...args, '--add-runtime', `wrapped=${runtime}`, '--default-runtime', 'wrapped'], {
			detached: true,
			stdio: ['ignore', output, output],
			cwd: '/',
		})
		closeSync(output)
		child.unref()
		// Without a pid it did not start; the wait below says so with the log.
		child.on('error', () => {})
		if (child.pid !== undefined) {
			const id = identify(child.pid)
			changeState(context.paths.state, (state) => ({ ...state, engine: { process: id } }))
		}
		await waitForEngine(context, log)
	})
}

async function waitForEngine(context: Context, log: string): Promise<void> {
	const engine = await ownEngine(context)
	for (const until = performance.now() + START_TIMEOUT_MS; ; await sleep(200)) {
		context.signal?.throwIfAborted()
		if ((await tryDocker(engine, ['version', '--format', '{{.Server.Version}}'])) !== undefined) return
		const alive = readState(context.paths.state).engine?.process
		if (alive && isAlive(alive) && performance.now() < until) continue
		const tail = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-8).join('\n') : ''
		throw new Error(
			`dockerd ${alive && isAlive(alive) ? 'does not answer' : 'ended at once'}:\n${tail}\nwhole log: ${log}`,
		)
	}
}

/**
 * Ends our engine and takes away what it made: processes, mounts, rules, bridge. Also after a crash, when part of it is gone.
 * Settings of the machine are put back by `restoreMachine`.
 */
export async function stopEngine(context: Context): Promise<void> {
	const { exec, pid, socket } = files(context)
	const state = readState(context.paths.state)
	if (!state.engine) return
	const ids = [state.engine.process, readPid(pid)].filter((id) => id !== undefined)
	for (const id of ids) await endProcess(id, STOP_GRACE_MS)
	// After a crash: containerd and shims name our exec folder in their arguments, containers hang below the shims and do not
	// end with them. Look for them first: once its shim is gone, nothing tells whose a container is.
	const left = processesWith(exec)
	for (const id of [...left, ...descendantsOf(left)]) await endProcess(id, 0)
	const mounts = readFileSync('/proc/mounts', 'utf8')
		.split('\n')
		.map((line) => line.split(' ')[1] ?? '')
		.filter((path) => path.startsWith(`${context.paths.engine}/`))
	for (const path of mounts.toReversed()) await tryRun('umount', ['--lazy', path])
	if (state.before?.iptables) await restoreRules(context, state.before.iptables)
	await tryRun('ip', ['link', 'delete', BRIDGE])
	for (const path of [exec, pid, socket]) rmSync(path, { recursive: true, force: true })
	changeState(context.paths.state, ({ engine: _, ...rest }) => rest)
}

/** The process that dockerd wrote down, unless the number now belongs to something else. */
function readPid(file: string) {
	if (!existsSync(file)) return undefined
	const id = identify(Number(readFileSync(file, 'utf8')))
	try {
		return readFileSync(`/proc/${id.pid}/cmdline`, 'utf8').includes(file) ? id : undefined
	} catch {
		return undefined
	}
}
