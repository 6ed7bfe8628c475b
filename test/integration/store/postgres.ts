import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const ROOT = '/usr/lib/postgresql'
const POLICY = '/usr/sbin/policy-rc.d'

/** A PostgreSQL server of our own on loopback, with its data in a temporary folder. */
export interface Postgres extends AsyncDisposable {
	readonly port: number
	readonly adminPassword: string
}

const binaries = () =>
	existsSync(ROOT)
		? readdirSync(ROOT)
				.map((version) => join(ROOT, version, 'bin'))
				.find((folder) => existsSync(join(folder, 'initdb')))
		: undefined

/**
 * Folder of Debian's PostgreSQL binaries. As root on Debian the package is installed when it is missing, without starting the server
 * that it brings; undefined elsewhere.
 */
export async function postgresBinaries(): Promise<string | undefined> {
	const found = binaries()
	if (found !== undefined || process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return found
	// 101 forbids to start services; a policy that is there already is somebody's decision.
	const ours = !existsSync(POLICY)
	if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
	try {
		const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
		await exec('apt-get', ['update', '-q'], { env })
		await exec('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'postgresql'], { env, maxBuffer: 1 << 26 })
	} finally {
		if (ours) rmSync(POLICY, { force: true })
	}
	return binaries()
}

function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer()
		server.on('error', reject)
		server.listen(0, '127.0.0.1', () => {
			const address = server.address()
			server.close(() =>
				typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
			)
		})
	})
}

/** Initialises and starts a server; resolves when it takes connections. */
export async function startPostgres(bin: string): Promise<Postgres> {
	// PostgreSQL refuses to run as root; the package brings this user.
	const id = async (flag: string) => Number((await exec('id', [flag, 'postgres'])).stdout)
	const as = process.getuid?.() === 0 ? { uid: await id('-u'), gid: await id('-g') } : {}
	const folder = mkdtempSync(join(tmpdir(), 'asb-postgres-'))
	if (as.uid !== undefined) chownSync(folder, as.uid, as.gid)
	const [data, passwordFile] = [join(folder, 'data'), join(folder, 'password')]
	const adminPassword = randomBytes(16).toString('hex')
	writeFileSync(passwordFile, adminPassword)
	await exec(
		join(bin, 'initdb'),
		['-D', data, '-U', 'admin', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '--no-sync'],
		{ ...as, cwd: folder },
	)
	const port = await freePort()
	const settings = [
		'listen_addresses=127.0.0.1',
		'unix_socket_directories=',
		'fsync=off',
		'max_connections=100',
	].flatMap((s) => ['-c', s])
	const server: ChildProcess = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...settings], {
		...as,
		cwd: folder,
		stdio: ['ignore', 'ignore', 'pipe'],
	})
	const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
	let log = ''
	await new Promise<void>((resolve, reject) => {
		server.stderr?.setEncoding('utf8').on('data', (text: string) => {
			log = (log + text).slice(-4_000)
			if (log.includes('ready to accept connections')) resolve()
		})
		void ended.then(() => reject(new Error(`postgres ended: ${log}`)))
	})
	return {
		port,
		adminPassword,
		async [Symbol.asyncDispose]() {
			server.kill('SIGINT') // fast shutdown: open connections are ended
			await ended
			rmSync(folder, { recursive: true, force: true })
		},
	}
}
