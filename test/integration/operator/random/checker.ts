// Watches Secrets and statuses of the random run, and has the oracle judge them.
import type { KubeTransport } from '../../../../operator/src/cluster/transport.ts'
import { until } from '../../../kit/until.ts'
import { Judge } from '../../../oracle/judge.ts'
import { Wishes } from '../../../oracle/wishes.ts'
import type { BindingObject } from '../stage.ts'
import { type BindingSpec, type RunBinding, runBindingOf } from './specs.ts'
import type { RandomVault } from './vault.ts'

interface SecretObject {
	metadata: { name: string; uid: string; resourceVersion: string }
	/** base64 */
	data?: Record<string, string>
}

interface Watched<T = SecretObject | BindingObject> {
	type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
	object: T
}

export interface CheckerOptions {
	api: KubeTransport
	namespace: string
	vault: RandomVault
	specs: readonly BindingSpec[]
	/** how long a secret must have been absent before it counts as that, milliseconds */
	absentMs: number
	/** how long a poll may take, milliseconds */
	pollMs: number
	signal: AbortSignal
}

// The API server ends a watch by itself after 30 to 60 minutes; the long run may take longer.
const WATCH_S = 6 * 3_600

/**
 * What the test itself does to a Secret is told by `foreign` and `deletes`; everything else is the operator's.
 */
export class Checker {
	/** by name of the Secret */
	readonly bindings: ReadonlyMap<string, RunBinding>
	readonly #judge: Judge
	readonly #options: CheckerOptions
	readonly #wishes: Wishes
	readonly #foreign = new Set<string>()
	readonly #deleted = new Set<string>()
	readonly #waiting: Watched[] = []
	#holds = 0

	constructor(options: CheckerOptions) {
		this.#options = options
		const { vault, specs, pollMs, absentMs } = options
		const times = { now: () => Date.now(), monotonic: () => performance.now() }
		this.bindings = new Map(specs.map((spec) => [`${spec.name}-secrets`, runBindingOf(spec)]))
		const watched = [...this.bindings.values()].map(({ watching }) => watching)
		this.#judge = new Judge({ vaults: vault.history, times, absentMs, ordered: false })
		this.#wishes = new Wishes(vault.history, watched, times, pollMs)
		this.#wishes.change(performance.now())
	}

	get problems(): string[] {
		return this.#judge.problems
	}

	/** events of Secrets that were judged */
	get seen(): number {
		return this.#judge.seen
	}

	async watch(): Promise<void> {
		const { namespace } = this.#options
		await this.#follow(`/api/v1/namespaces/${namespace}/secrets`)
		await this.#follow(`/apis/secrets.purista.dev/v1alpha1/namespaces/${namespace}/azuresecretbindings`)
	}

	async #follow(path: string): Promise<void> {
		const { api, signal } = this.#options
		// An API server that has just got another schema of the resource answers 429 for a moment.
		const { metadata } = await until('a list', () =>
			api.request<{ metadata: { resourceVersion: string } }>({ method: 'GET', path }),
		)
		const query = { watch: 'true', resourceVersion: metadata.resourceVersion, timeoutSeconds: String(WATCH_S) }
		const lines = await api.stream({ path, query, signal, inactivityMs: WATCH_S * 1_000 })
		const read = async () => {
			for await (const line of lines) {
				this.#waiting.push(JSON.parse(line) as Watched)
				this.#drain()
			}
		}
		read().catch((error: unknown) => {
			if (!signal.aborted) this.problems.push(`the watch of the test ended: ${String(error)}`)
		})
	}

	/** Does something to vault, specs or Secrets; what is seen meanwhile is judged when the model knows of it. */
	async during<T>(work: () => Promise<T>): Promise<T> {
		this.#wishes.pass()
		const began = performance.now()
		this.#holds++
		try {
			return await work()
		} finally {
			this.#wishes.change(began)
			this.#holds--
			this.#drain()
		}
	}

	/** The operator follows what the bindings ask for now. */
	settled(): void {
		for (const { watching } of this.bindings.values()) watching.before = []
	}

	/** Brings the model up to now. */
	pass(): void {
		this.#wishes.pass()
	}

	/** This version of a Secret was written by the test. */
	foreign(resourceVersion: string): void {
		this.#foreign.add(resourceVersion)
	}

	/** The test deletes this Secret. */
	deletes(uid: string): void {
		this.#deleted.add(uid)
	}

	#drain(): void {
		this.#wishes.pass()
		while (this.#holds === 0) {
			const event = this.#waiting.shift()
			if (!event) return
			if (event.type === 'BOOKMARK') continue
			if (event.type === 'ERROR') this.problems.push('the watch of the test was ended by the API server')
			else if ('spec' in event.object) this.#judgeStatus(event.object as BindingObject)
			else this.#judgeSecret(event as Watched<SecretObject>)
		}
	}

	#judgeStatus({ metadata, status }: BindingObject): void {
		const binding = this.bindings.get(`${metadata.name}-secrets`)
		if (!binding || !status) return
		// Versions of resources count up through the whole API server.
		this.#judge.status(binding.watching, status, metadata.generation, Number(metadata.resourceVersion))
	}

	#judgeSecret({ type, object }: Watched<SecretObject>): void {
		const { name, uid, resourceVersion } = object.metadata
		const binding = this.bindings.get(name)
		if (!binding) return
		const gone = type === 'DELETED'
		const foreign = gone ? this.#deleted.has(uid) : this.#foreign.delete(resourceVersion)
		const texts = gone ? undefined : textsOf(object)
		this.#judge.place(binding.watching, { texts, ours: !foreign, order: Number(resourceVersion) })
	}
}

export const textsOf = ({ data = {} }: Pick<SecretObject, 'data'>) =>
	new Map(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString('utf8')]))
