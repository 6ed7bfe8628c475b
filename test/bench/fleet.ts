// Many nodes that start at once on one vault: the node role's own code from the volume down to the budget, on virtual time. The vault
// is the emulator's throttle with the documented limits behind a network; files are real, on a tmpfs.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseBinding } from '../../operator/src/api/parse.ts'
import { formatTime } from '../../operator/src/api/time.ts'
import { createNodeMemory } from '../../operator/src/destinations/volume/memory.ts'
import { createSymlinkStrategy } from '../../operator/src/destinations/volume/strategy.ts'
import { createOfflineValues } from '../../operator/src/node/offline.ts'
import { createValueRoom } from '../../operator/src/node/value-room.ts'
import { startVolume, type Volume } from '../../operator/src/node/volume.ts'
import { makeFormsHere } from '../../operator/src/run/testing/forms-here.ts'
import { createAnswers } from '../../operator/src/vault/answers.ts'
import { createBudget } from '../../operator/src/vault/budget.ts'
import type { RateOptions } from '../../operator/src/vault/rate.ts'
import { createShared } from '../../operator/src/vault/shared.ts'
import { seededRandom } from '../kit/random.ts'
import { StillClock } from './still-clock.ts'
import { ThrottledVault } from './throttled-vault.ts'

const VAULT = 'https://fleet.vault.azure.net'
const NAMESPACE = 'fleet'

export interface FleetOptions {
	readonly nodes: number
	readonly secrets: number
	readonly seed: number
	readonly rate: RateOptions
}

export class Fleet {
	readonly clock = new StillClock()
	readonly vault: ThrottledVault
	/** virtual time, for each node, from the last start or rotation until all its files are there */
	readonly took: number[] = []
	watches = 0
	readonly #root = mkdtempSync('/dev/shm/asb-fleet-')
	readonly #options: FleetOptions
	readonly #random: () => number
	readonly #binding: BindingOnNodes
	readonly #volumes: Volume[] = []

	constructor(options: FleetOptions) {
		this.#options = options
		this.#random = seededRandom(options.seed)
		this.vault = new ThrottledVault(this.clock, this.#random)
		const names = Array.from({ length: options.secrets }, (_, i) => `secret-${i}`)
		for (const name of names) this.vault.rotate(name)
		this.#binding = new BindingOnNodes(this.clock, this.vault, names)
	}

	/** Each node has one pod; all of them start in this moment. Resolves when every pod has its files. */
	async start(): Promise<void> {
		// What changed in this second is read twice.
		await this.clock.advance(60_000)
		this.#binding.told()
		const at = this.clock.monotonic()
		for (let node = 0; node < this.#options.nodes; node++) {
			const volume = this.#startNode(node)
			this.#volumes.push(volume)
			void volume.untilDelivered(new AbortController().signal).then(() => this.took.push(this.clock.monotonic() - at))
		}
		await this.clock.until(() => this.took.length === this.#options.nodes)
	}

	/** The vault has a new version of each secret, and the status tells all nodes in one moment. */
	async rotate(): Promise<void> {
		await this.clock.advance(60_000)
		this.took.length = 0
		this.vault.reset()
		for (const name of this.#binding.names) this.vault.rotate(name)
		await this.clock.advance(5_000)
		const at = this.clock.monotonic()
		this.vault.onAllRead(this.#options.nodes, () => this.took.push(this.clock.monotonic() - at))
		this.#binding.told()
		await this.clock.until(() => this.took.length === this.#options.nodes)
	}

	async close(): Promise<void> {
		const stopping = Promise.all(this.#volumes.map((volume) => volume.stop()))
		await this.clock.advance(1_000)
		await stopping
		rmSync(this.#root, { recursive: true, force: true })
	}

	#startNode(node: number): Volume {
		const { clock, vault } = this
		const random = this.#random
		const volumeId = `csi-${node}`
		mkdirSync(join(this.#root, volumeId), { recursive: true })
		const budget = createBudget({
			clock,
			random,
			maxPerSecond: this.#options.rate.maxPerSecond,
			style: this.#options.rate,
		})
		const answers = createAnswers(clock)
		const reader = vault.readerOf(node, budget)
		const shared = createShared(reader, { clock, random, answers, namespace: '', onFollow() {} })
		const memory = createNodeMemory(64 * 1024 * 1024)
		this.watches++
		const request = {
			...{ volumeId, target: join(this.#root, volumeId, 'mount'), group: undefined, namespace: NAMESPACE },
			...{ pod: `app-${node}`, podUid: `uid-${node}`, serviceAccount: 'app', binding: 'app', tokens: new Map() },
		}
		return startVolume(request, this.#binding.follow(), false, {
			clock,
			random,
			serviceAccounts: { get: async () => ({ uid: 'sa', annotations: ANNOTATIONS }) },
			vaults: { session: () => shared, isAllowed: () => true },
			makeForms: makeFormsHere,
			strategy: createSymlinkStrategy(this.#root),
			memory,
			room: createValueRoom(clock),
			offline: createOfflineValues(clock, memory),
			// No other process writes on this node.
			lock: { run: (work) => work(), close() {} },
			isServing: async () => true,
			isThere: async () => true,
			onNews() {},
			onFailure(error) {
				throw error
			},
		})
	}
}

const ANNOTATIONS = {
	'azure.workload.identity/client-id': '11111111-2222-4333-8444-555555555555',
	'azure.workload.identity/tenant-id': '66666666-7777-4888-8999-000000000000',
}

/** One binding as the watches of all nodes show it, with the status that the operator writes. */
class BindingOnNodes {
	readonly names: readonly string[]
	readonly #clock: StillClock
	readonly #vault: ThrottledVault
	#version = 0
	#changedAt = 0
	#object: ReturnType<typeof parseBinding>
	readonly #waiting = new Set<() => void>()

	constructor(clock: StillClock, vault: ThrottledVault, names: readonly string[]) {
		this.#clock = clock
		this.#vault = vault
		this.names = names
		this.#object = this.#now()
	}

	#now() {
		const checked = formatTime(this.#clock.now())
		const secrets = this.names.map((name) => ({
			...{ name, objectName: name, state: 'Current' },
			updated: formatTime(this.#vault.updatedOf(name) * 1000),
		}))
		const fresh = { type: 'Fresh', status: 'True', reason: 'Current', message: '', lastTransitionTime: checked }
		return parseBinding({
			metadata: { namespace: NAMESPACE, name: 'app', uid: 'uid', generation: 1 },
			spec: {
				vault: { url: VAULT },
				identity: { serviceAccountName: 'app' },
				secrets: this.names.map((name) => ({ name })),
				delivery: { type: 'Volume' },
				// Longer than the simulated time: nodes go by the status alone.
				refresh: { interval: '30m' },
			},
			status: { observedGeneration: 1, vault: VAULT, lastCheckTime: checked, conditions: [fresh], secrets },
		})
	}

	told(): void {
		this.#object = this.#now()
		this.#version++
		this.#changedAt = this.#clock.monotonic()
		for (const wake of this.#waiting) wake()
	}

	follow() {
		const [clock, waiting] = [this.#clock, this.#waiting]
		const current = () => ({ object: this.#object, version: this.#version, changedAt: this.#changedAt })
		return {
			get object() {
				return current().object
			},
			synced: true,
			get version() {
				return current().version
			},
			get changedAt() {
				return current().changedAt
			},
			since: () => Math.max(clock.monotonic() - 1, current().changedAt),
			changed(version: number, signal: AbortSignal): Promise<void> {
				if (version !== current().version || signal.aborted) return Promise.resolve()
				const { promise, resolve } = Promise.withResolvers<void>()
				waiting.add(resolve)
				signal.addEventListener('abort', () => resolve(), { once: true })
				return promise.finally(() => waiting.delete(resolve))
			},
			release() {},
		}
	}
}
