// Watches Secrets and statuses of the random run and says what must never be.
import { MANIFEST_FILE, previousFileName } from 'purista-azure-mounted-secret-store/manifest'
import type { KubeTransport } from '../../../../operator/src/adapters/kube/transport.ts'
import {
	type Delivered,
	readDelivered,
	type SecretObject,
} from '../../../../operator/src/destinations/secret/secret-object.ts'
import { until } from '../../../kit/until.ts'
import { type BindingObject, condition } from '../stage.ts'
import type { BindingSpec } from './specs.ts'
import type { RandomVault } from './vault.ts'
import { type File, isBraked, type Watching, Wishes, watchingOf } from './wishes.ts'

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
	/** how long a look may take, milliseconds */
	lookMs: number
	signal: AbortSignal
}

// The API server ends a watch by itself after 30 to 60 minutes; the long run may take longer.
const WATCH_S = 6 * 3_600

/**
 * 1. A file holds the value of a version that was to be delivered at some time since the version that it held before.
 * 2. Files that are made of one value hold parts of one version.
 * 3. A file goes only when a policy or the spec says so, and a Secret only when the test deletes it.
 * 4. By policies no more files go at once than the brake lets go, unless they were acknowledged.
 * 5. What the status tells of a file never goes back either.
 * 6. The manifest tells of the versions whose values are there, older ones as well; its revision rises with each change.
 * 7. Nothing is written while the status says that the binding is suspended.
 *
 * What the test itself does to a Secret is told by `foreign` and counts as what the file held before.
 */
export class Checker {
	readonly problems: string[] = []
	/** by name of the Secret */
	readonly bindings: ReadonlyMap<string, Watching>
	/** events that were judged */
	seen = 0
	readonly #options: CheckerOptions
	readonly #wishes: Wishes
	readonly #foreign = new Set<string>()
	readonly #deleted = new Set<string>()
	readonly #waiting: Watched[] = []
	#holds = 0

	constructor(options: CheckerOptions) {
		this.#options = options
		this.bindings = new Map(options.specs.map((spec) => [`${spec.name}-secrets`, watchingOf(spec)]))
		this.#wishes = new Wishes(options.vault, [...this.bindings.values()], options.lookMs)
		this.#wishes.change(performance.now())
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
		for (const binding of this.bindings.values()) binding.before = []
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
			else this.#judge(event as Watched<SecretObject>)
		}
	}

	#judgeStatus(object: BindingObject): void {
		const { metadata, status } = object
		const binding = this.bindings.get(`${metadata.name}-secrets`)
		if (!binding) return
		const isSuspended =
			status?.observedGeneration === metadata.generation && condition(object, 'Fresh')?.reason === 'Suspended'
		binding.before = binding.before.filter(({ generation }) => generation >= (status?.observedGeneration ?? 0))
		binding.suspendedAt = isSuspended ? Number(metadata.resourceVersion) : undefined
		for (const { name, version } of status?.secrets ?? []) {
			const file = binding.files.get(name)
			if (!file || file.told.version === version) continue
			if (version !== undefined && !file.told.course.see(version))
				this.problems.push(`the status of ${metadata.name} tells version ${version} of ${name}, which is over`)
			file.told.version = version
		}
	}

	#judge({ type, object }: Watched<SecretObject>): void {
		const { name, uid, resourceVersion } = object.metadata
		const binding = this.bindings.get(name)
		if (!binding) return
		this.seen++
		const problem = (text: string) => this.problems.push(`${name} at ${resourceVersion}: ${text}`)
		if (type === 'DELETED') {
			if (!this.#deleted.has(uid)) problem('was deleted, and not by the test')
			for (const file of binding.files.values()) file.text = undefined
			return
		}
		const texts = textsOf(object)
		const foreign = this.#foreign.delete(resourceVersion)
		const gone: string[] = []
		for (const [key, file] of binding.files) {
			const text = texts.get(key)
			if (!foreign && text !== file.text) this.#judgeFile(key, file, text, problem)
			if (text === undefined && file.text !== undefined && isBraked(file.entry, file.course.seen)) gone.push(key)
			file.text = text
		}
		if (foreign) return
		const { shape, suspendedAt, spec, acknowledged } = binding
		// Versions of resources count up through the whole API server.
		if (shape.suspend && suspendedAt !== undefined && Number(resourceVersion) > suspendedAt)
			problem('was written while the binding is suspended')
		if (gone.length > spec.maxRemovals && !gone.every((key) => acknowledged.has(key)))
			problem(`${gone.join(', ')} went at once`)
		const delivered = readDelivered(object)
		this.#judgeManifest(binding, delivered, texts, problem)
		const origins = new Map<string, string>()
		for (const [key, { entry, text }] of binding.files) {
			if (text === undefined || delivered.keys.get(key)?.foreign !== undefined) continue
			const id = this.#options.vault.origins.get(text)?.id ?? 'none'
			const other = origins.get(entry.objectName) ?? id
			if (other !== id) problem(`${key} is of version ${id}, another file of the same value of ${other}`)
			origins.set(entry.objectName, id)
		}
	}

	#judgeFile(key: string, { entry, course }: File, text: string | undefined, problem: (text: string) => void): void {
		if (text === undefined) {
			if (!course.seeRemoved(performance.now(), this.#options.absentMs)) problem(`${key} went without a reason`)
			return
		}
		const origin = this.#options.vault.origins.get(text)
		if (origin?.objectName !== entry.objectName) problem(`${key} holds what is no value of ${entry.objectName}`)
		else if (!course.see(origin.id)) problem(`${key} holds version ${origin.id}, which was not to be delivered`)
	}

	#judgeManifest(
		binding: Watching,
		{ manifest, manifestText, keys }: Delivered,
		texts: ReadonlyMap<string, string>,
		problem: (text: string) => void,
	): void {
		if (keys.get(MANIFEST_FILE)?.foreign !== undefined) return
		if (!manifest) {
			problem('has no readable manifest')
			return
		}
		const { revision } = manifest
		if (manifestText !== binding.manifest && revision <= binding.revision)
			problem(`revision ${revision} after ${binding.revision}`)
		binding.revision = Math.max(binding.revision, revision)
		binding.manifest = manifestText
		const listed = new Map<string, string>()
		for (const [key, { version, previous }] of Object.entries(manifest.secrets)) {
			listed.set(key, version)
			for (const [i, older] of previous.entries()) listed.set(previousFileName(key, i + 1), older.version)
		}
		for (const [key, version] of listed) {
			const text = texts.get(key)
			if (text === undefined || keys.get(key)?.foreign !== undefined) continue
			const id = this.#options.vault.origins.get(text)?.id
			if (id !== version) problem(`${key} is of version ${id}, the manifest says ${version}`)
		}
		for (const [key, { foreign }] of keys) {
			if (key !== MANIFEST_FILE && foreign === undefined && !listed.has(key)) problem(`${key} is not in the manifest`)
		}
	}
}

export const textsOf = ({ data = {} }: Pick<SecretObject, 'data'>) =>
	new Map(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString('utf8')]))
