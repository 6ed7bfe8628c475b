import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConnectRouter, Interceptor } from '@connectrpc/connect'
import { parseBinding } from '../../api/parse.ts'
import { createWriterLock } from '../../destinations/mount/lock.ts'
import { createNodeMemory } from '../../destinations/volume/memory.ts'
import { createSymlinkStrategy, type MountStrategy } from '../../destinations/volume/strategy.ts'
import type { VaultSession, Vaults } from '../../ports/vault.ts'
import { systemClock } from '../../process/clock.ts'
import { createLogger } from '../../process/log.ts'
import { makeFormsHere } from '../../run/testing/forms-here.ts'
import type { BindingWatches, Followed } from '../binding-watches.ts'
import type { VolumeNews } from '../news.ts'
import { createOfflineValues } from '../offline.ts'
import { type CallResult, csiRoutes } from '../services.ts'
import { createServing } from '../serving.ts'
import { createPodTokens, type PodTokens } from '../tokens.ts'
import { createValueRoom } from '../value-room.ts'
import { createVolumes } from '../volumes.ts'

const SHARE_MS = 1_000

/** Bindings of the namespace `team` as a test has them, in place of watches. */
export function createTestBindings() {
	const objects = new Map<
		string,
		{ metadata: { generation: number; annotations?: Record<string, string> }; spec: object; status?: object }
	>()
	let version = 0
	let changedAt = systemClock.monotonic()
	let sharedSince = Number.NEGATIVE_INFINITY
	const waiting = new Set<() => void>()
	const wakeAll = () => {
		version++
		changedAt = systemClock.monotonic()
		for (const wake of waiting) wake()
	}
	const watches: BindingWatches = {
		size: 0,
		whyNot: () => undefined,
		follow: (_, name): Followed => ({
			get object() {
				const object = objects.get(name)
				return object && parseBinding(object)
			},
			synced: true,
			get version() {
				return version
			},
			get changedAt() {
				return changedAt
			},
			// As watches do it: answers of the last seconds are shared.
			since: () => {
				const now = systemClock.monotonic()
				if (now - sharedSince > SHARE_MS) sharedSince = now
				return Math.max(sharedSince, changedAt)
			},
			async changed(seen, signal) {
				if (seen !== version) return
				const { promise, resolve } = Promise.withResolvers<void>()
				waiting.add(resolve)
				signal.addEventListener('abort', () => resolve(), { once: true })
				await promise
				waiting.delete(resolve)
			},
			release() {},
		}),
	}
	return {
		watches,
		apply(name: string, spec: object) {
			const generation = (objects.get(name)?.metadata.generation ?? 0) + 1
			const metadata = { namespace: 'team', name, uid: `uid-${name}`, generation }
			objects.set(name, { metadata, spec })
			wakeAll()
		},
		remove(name: string) {
			objects.delete(name)
			wakeAll()
		},
		annotate(name: string, annotations: Record<string, string>) {
			const object = objects.get(name)
			if (object) objects.set(name, { ...object, metadata: { ...object.metadata, annotations } })
			wakeAll()
		},
		/** The operator writes what it found in the vault into the status. */
		writeStatus(name: string, status: object) {
			const object = objects.get(name)
			if (object) objects.set(name, { ...object, status })
			wakeAll()
		},
	}
}

export interface PluginOptions {
	readonly bindings: BindingWatches
	readonly clientId: string
	readonly tenantId: string
	vaults(tokens: PodTokens): Pick<Vaults, 'isAllowed' | 'suffixes' | 'leave'> & { session(key: never): VaultSession }
	readonly routes?: (router: ConnectRouter) => void
	readonly interceptors?: Interceptor[]
	readonly root?: string
	readonly print?: (text: string) => void
	readonly nodeMemory?: number
	readonly roomForValues?: number
	readonly mostVolumes?: number
	/** how much later it is, monotonic, for what is kept for offline starts; milliseconds */
	later?(): number
	readonly strategy?: (own: MountStrategy) => MountStrategy
	serviceAccountUid?(): string
	/** the API server is asked for the ServiceAccount */
	onServiceAccount?(): void
}

/** The node role without a cluster: its sockets, volumes and sessions, in a directory of its own on a tmpfs. */
export async function startPlugin(options: PluginOptions) {
	const root = options.root ?? (await mkdtemp('/dev/shm/asb-node-'))
	await mkdir(join(root, 'pods'), { recursive: true })
	await mkdir(join(root, 'memory'), { recursive: true })
	const tokens = createPodTokens(systemClock)
	const news: VolumeNews[] = []
	const failures: unknown[] = []
	const results: CallResult[] = []
	const memoryRoot = join(root, 'memory')
	const { strategy = (own: MountStrategy) => own } = options
	const memory = createNodeMemory(options.nodeMemory ?? 64 * 1024 * 1024)
	const { later = () => 0 } = options
	const offline = createOfflineValues({ monotonic: () => systemClock.monotonic() + later() }, memory)
	const lock = createWriterLock(join(memoryRoot, '.lock'), systemClock)
	const room = createValueRoom(systemClock, options.roomForValues)
	const volumes = createVolumes({
		clock: systemClock,
		random: () => 0,
		serviceAccounts: {
			async get() {
				options.onServiceAccount?.()
				return {
					uid: options.serviceAccountUid?.() ?? 'sa-1',
					annotations: {
						'azure.workload.identity/client-id': options.clientId,
						'azure.workload.identity/tenant-id': options.tenantId,
					},
				}
			},
		},
		// The emulator of a test has a port, which no vault has.
		vaults: { ...(options.vaults(tokens) as Vaults), isAllowed: () => true },
		makeForms: makeFormsHere,
		strategy: strategy(createSymlinkStrategy(memoryRoot)),
		memory,
		lock,
		room,
		offline,
		bindings: options.bindings,
		tokens,
		root: memoryRoot,
		mostVolumes: options.mostVolumes,
		isServing: () => serving.isServing(),
		onNews: (_, each) => news.push(each),
		onFailure: (error) => failures.push(error),
	})
	const { print } = options
	const log = createLogger({ level: print ? 'debug' : 'silent', ...(print ? { destination: { write: print } } : {}) })
	const csi = join(root, 'csi.sock')
	const registration = join(root, 'reg.sock')
	const driver = 'secrets.purista.dev'
	const node = { driver, version: '0.1.0', nodeName: 'node-1', podsRoot: join(root, 'pods') }
	const routes = csiRoutes({ ...node, volumes, log, observe: (_, result) => results.push(result) })
	const serving = createServing({
		driver,
		endpoint: csi,
		registration,
		routes(router) {
			routes(router)
			options.routes?.(router)
		},
		interceptors: options.interceptors,
		clock: systemClock,
		log,
	})
	let isClosed = false
	await volumes.count()
	await serving.start()
	return {
		root,
		memoryRoot,
		csi,
		registration,
		news,
		failures,
		results,
		volumes,
		memory,
		room,
		offline,
		serving,
		/** Names of volumes in the node's memory. */
		inMemory: async () => (await readdir(memoryRoot)).filter((name) => !name.startsWith('.')).toSorted(),
		/** @param isKept what it wrote stays, for a process that comes after it */
		async close(isKept = options.root !== undefined) {
			if (isClosed) return
			isClosed = true
			await volumes.stop()
			serving.close()
			lock.close()
			if (!isKept) await rm(root, { recursive: true, force: true })
		},
	}
}
