// External Secrets Operator as a process: built out of its own module by the ordinary Go client, and run as it is. Nothing of it is in this
// repository. It speaks to the names of the public cloud, so it gets a mount namespace whose hosts file leads them to loopback.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { findGo } from '../cluster/build/go.ts'
import { buildProgram } from '../cluster/build/programs.ts'
import { contextOf } from '../cluster/index.ts'
import { createProgress } from '../cluster/progress.ts'
import { run } from '../cluster/run.ts'
import type { FloorTenant } from './child-floor.ts'
import { type Load, NAMESPACE } from './tenants.ts'

const MODULE = 'github.com/external-secrets/external-secrets'
/** The newest one that can be built as a module: those of 1.x are made of modules that name each other by folder. */
export const PEER_VERSION = 'v0.16.2'

export interface PeerProgram {
	readonly file: string
	/** folder of its resource definitions, with a kustomization */
	readonly definitions: string
}

/** Built once into the cache, with all of its providers as its own image has them. @returns undefined: no Go here */
export async function peerProgram(): Promise<PeerProgram | undefined> {
	const context = contextOf(createProgress())
	const go = await findGo(context).catch(() => undefined)
	if (!go) return undefined
	const name = 'external-secrets'
	const folder = await buildProgram(context, go, { name, version: PEER_VERSION, outputs: { [name]: MODULE } })
	const download = ['mod', 'download', '-json', `${MODULE}@${PEER_VERSION}`]
	const { Dir } = JSON.parse(await run(go.command, download, { cwd: folder, env: go.env })) as { Dir: string }
	return { file: join(folder, name), definitions: join(Dir, 'config/crds/bases') }
}

const GROUP = 'external-secrets.io/v1'
const within = (resource: string) => `/apis/${GROUP}/namespaces/${NAMESPACE}/${resource}`
const [STORES, OBJECTS] = [within('secretstores'), within('externalsecrets')]

/** The same secrets into Secrets of the same names, by the identity of the same ServiceAccount. */
export const peerLoad: Load = {
	all: `/apis/${GROUP}/externalsecrets`,
	objects: ({ bindings, vaultUrl, serviceAccount }: FloorTenant, refreshInterval) => {
		const azurekv = { authType: 'WorkloadIdentity', vaultUrl, serviceAccountRef: { name: serviceAccount } }
		const store = { kind: 'SecretStore', name: 'vault' }
		return [
			{
				collection: STORES,
				body: {
					apiVersion: GROUP,
					kind: store.kind,
					metadata: { name: store.name },
					spec: { provider: { azurekv } },
				},
			},
			...bindings.map(({ name, secrets }) => ({
				collection: OBJECTS,
				body: {
					apiVersion: GROUP,
					kind: 'ExternalSecret',
					metadata: { name },
					spec: {
						refreshInterval,
						secretStoreRef: store,
						target: { name: `${name}-secrets` },
						data: secrets.map((key) => ({ secretKey: key, remoteRef: { key } })),
					},
				},
			})),
		]
	},
	collections: [OBJECTS, STORES],
}

export interface PeerOptions {
	/** of the process */
	readonly flags: readonly string[]
	/** text of a kubeconfig with one context */
	readonly kubeconfig: string
	/** whom it trusts */
	readonly caPem: string
	/** names that lead to 127.0.0.1 */
	readonly names: readonly string[]
}

export interface PeerProcess {
	/** rejects when it ends without being asked to */
	readonly ended: Promise<void>
	/** MB and seconds, as the kernel counts them */
	usage(): { readonly maxRss: number; readonly rss: number; readonly cpu: number }
	/** what it said last */
	lastLines(): string
	end(): Promise<void>
}

const LAST_LINES = 12
/** Of /proc/PID/stat: ticks a second, on every Linux that node runs on. */
const TICKS = 100
/** $0 is the folder with both files. What is run takes the shell's place, so the process id is its own. */
const SCRIPT = 'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && exec "$@"'

export function startPeer({ file }: PeerProgram, options: PeerOptions): PeerProcess {
	const folder = mkdtempSync(join(tmpdir(), 'asb-peer-'))
	const write = (name: string, text: string) => {
		const path = join(folder, name)
		writeFileSync(path, text, { mode: 0o600 })
		return path
	}
	write('hosts', `127.0.0.1 ${['localhost', ...options.names].join('\n127.0.0.1 ')}\n`)
	// No other name is found.
	write('resolv.conf', 'nameserver 127.0.0.1\n')
	const env = {
		PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
		HOME: folder,
		KUBECONFIG: write('kubeconfig', options.kubeconfig),
		SSL_CERT_FILE: write('ca.crt', options.caPem),
	}
	const command = [file, '--metrics-addr=0', ...options.flags]
	const child = spawn('unshare', ['--mount', '--propagation=private', 'sh', '-c', SCRIPT, folder, ...command], {
		stdio: ['ignore', 'pipe', 'pipe'],
		env,
	})
	const lines: string[] = []
	for (const stream of [child.stdout, child.stderr])
		createInterface({ input: stream }).on('line', (line) => {
			lines.push(line.slice(0, 300))
			if (lines.length > LAST_LINES) lines.shift()
		})
	return { ...watched(child, folder, () => lines.join('\n')), lastLines: () => lines.join('\n') }
}

function watched(child: ChildProcess, folder: string, log: () => string): Omit<PeerProcess, 'lastLines'> {
	const [ended, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
	let isAsked = false
	child.on('error', (error) => ended.reject(error))
	child.on('close', (code) => {
		rmSync(folder, { recursive: true, force: true })
		closed.resolve()
		if (isAsked) ended.resolve()
		else ended.reject(new Error(`the peer ended with ${code}:\n${log()}`))
	})
	// Whoever waits for it is told.
	ended.promise.catch(() => {})
	const read = (name: string) => readFileSync(`/proc/${child.pid}/${name}`, 'utf8')
	return {
		ended: ended.promise,
		usage() {
			const status = read('status')
			const mb = (field: string) =>
				Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024)
			// The name in parentheses may hold spaces; the 14th and 15th field are what it took in user and in system mode.
			const fields = read('stat')
				.replace(/^.*\) /s, '')
				.split(' ')
			return { maxRss: mb('VmHWM'), rss: mb('VmRSS'), cpu: (Number(fields[11]) + Number(fields[12])) / TICKS }
		},
		async end() {
			isAsked = true
			if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
			await closed.promise
		},
	}
}
