import { inspect } from 'node:util'
import type { SecretClient } from '@azure/keyvault-secrets'
import { type ChangeListener, ChangeListeners } from './changes.ts'
import { type Clock, systemClock } from './clock.ts'
import { reasonOf, storeError } from './errors.ts'
import { Mount, type MountProblem } from './mount/mount.ts'
import { resolveName } from './names.ts'
import { Overlay } from './overlay.ts'
import { type ObjectWithKeysFromStringArray, SecretStoreBaseClass, type StoreBaseConfig } from './purista.ts'
import type { MountStatus, StoreStatus } from './status.ts'
import type { AzureMountedSecretStoreConfig } from './types.ts'
import { describeFault } from './vault/faults.ts'
import { checkObjectName, createClient, Vault, VaultFault } from './vault/vault.ts'
import { buildView, changesBetween, EMPTY_VIEW, type View } from './view.ts'

/** Name of the store in logs, metrics and spans; a constant, because it is a label. */
const STORE_NAME = 'AzureMountedSecretStore'

/** An option given as `undefined` means the default, not "off". */
function given<T extends object>(config: T): T {
	return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)) as T
}

const PROBLEM_TEXT: Readonly<Record<MountProblem, string>> = {
	missing: 'the mounted directory is not there',
	empty: 'the mounted directory is empty',
	unreadable: 'the mounted directory cannot be read',
	older: 'the mounted directory shows an older revision than before',
}

/**
 * Secret store that reads Azure Key Vault secrets from a mounted directory, follows their rotation, and writes to the vault.
 *
 * Reads are answered from memory: one snapshot of one generation of the mount, replaced as a whole when the files are
 * swapped, so that all names of one call belong together. A read never does IO, except for names that no mount covers.
 *
 * Writes go straight to Key Vault. This process reads them back at once; others get them through the mount.
 *
 * The credential is that of the pod (`DefaultAzureCredential`: workload identity, managed identity, environment, Azure CLI)
 * unless one is injected. The Azure SDK is loaded by the first call that needs it.
 *
 * Values appear in no log, error, span or printed object. Call `destroy()` when the services that use the store have stopped.
 *
 * @example
 * ```typescript
 * const secretStore = new AzureMountedSecretStore({ mountPath: '/var/run/secrets/payments' })
 * await secretStore.ready()
 *
 * const service = await paymentsV1Service.getInstance(eventBridge, { secretStore })
 * ```
 *
 * @group Store
 */
export class AzureMountedSecretStore extends SecretStoreBaseClass<AzureMountedSecretStoreConfig> {
	readonly #clock: Clock
	readonly #mounts: Mount[]
	readonly #aliases: ReadonlyMap<string, string>
	readonly #overlay: Overlay
	readonly #listeners: ChangeListeners
	readonly #vault: Vault
	readonly #credential: AzureMountedSecretStoreConfig['credential']
	/** Calls that change one secret, one after the other. */
	readonly #writing = new Map<string, Promise<unknown>>()
	#client: SecretClient | undefined
	#creating: { url: string; client: Promise<SecretClient> } | undefined
	#view: View = EMPTY_VIEW
	#loaded = false
	#destroyed = false
	#starting: Promise<void> | undefined
	#waiting: Array<() => void> = []

	/**
	 * Creates the store. Does no IO and does not throw for a mount or vault that is not there.
	 *
	 * @param config Store options, the mount, and optionally the vault.
	 */
	constructor(config: StoreBaseConfig<AzureMountedSecretStoreConfig>) {
		// The client and the credential stay out of the public `config`, which applications print.
		const { client, credential, ...rest } = given(config)
		super(STORE_NAME, { ...rest, enableCache: false })
		this.#client = client
		this.#credential = credential
		this.#clock = config.clock ?? systemClock
		this.#aliases = new Map(Object.entries(config.aliases ?? {}))
		// 2 x interval: the look that just missed the write, and the next. 90 s: the kubelet's longest sync period.
		this.#overlay = new Overlay(this.#clock, 2 * (config.refreshIntervalMs ?? 60_000) + 90_000)
		this.#listeners = new ChangeListeners(() => this.logger)
		this.#vault = new Vault(() => this.#getClient())
		this.#mounts = [config.mountPath].flat().map((path) => this.#mountOf(path))
	}

	#mountOf(path: string): Mount {
		return new Mount({
			path,
			clock: this.#clock,
			pollMs: this.config.pollMs ?? 5_000,
			emptyIsFine: false,
			onSnapshot: () => this.#refresh(),
			onProblem: (problem, code) => this.#onProblem(path, problem, code),
			onWatchLost: (code) =>
				this.logger.warn({ mountPath: path, code }, 'no file events: looking at the mount by time only'),
		})
	}

	/**
	 * Azure Key Vault client used for writes and for reads beyond the mount; undefined until first needed. Tests may replace it.
	 */
	get client(): SecretClient | undefined {
		return this.#client
	}

	set client(client: SecretClient | undefined) {
		this.#client = client
	}

	/**
	 * Waits until the mounts are loaded, for readiness probes and before services start.
	 *
	 * @param timeoutMs milliseconds to wait
	 * @throws UnhandledError (503) when a mount could not be read in that time
	 */
	async ready(timeoutMs: number = this.config.readyTimeoutMs ?? 10_000): Promise<void> {
		if (this.#destroyed) throw storeError('Destroyed')
		if (this.#loaded) return
		await new Promise<void>((resolve) => {
			const cancel = this.#clock.after(timeoutMs, resolve)
			this.#waiting.push(() => {
				cancel()
				resolve()
			})
			this.#start()
		})
		if (this.#destroyed) throw storeError('Destroyed')
		if (!this.#loaded) throw storeError('NotReady')
	}

	/** Tells how current the mounts are. Holds no names and no values. */
	status(): StoreStatus {
		const now = this.#clock.monotonic()
		const mounts = this.#mounts.map((mount): MountStatus => {
			const { path, snapshot, problem, watching, lastSeen, loads } = mount
			return {
				path,
				loaded: snapshot !== undefined,
				kind: snapshot?.kind,
				manifest: snapshot?.manifestState,
				generation: snapshot?.kind === 'generation' ? snapshot.id : undefined,
				revision: snapshot?.manifest?.revision,
				secrets: snapshot?.secrets.size ?? 0,
				problem,
				watching,
				ageMs: lastSeen === undefined ? undefined : Math.round(now - lastSeen),
				loads,
			}
		})
		return { ready: this.#loaded, destroyed: this.#destroyed, mounts, pendingWrites: this.#overlay.entries.size }
	}

	/**
	 * Calls the listener when secrets change: names and versions, never values. Not called for the first load. Calls come one
	 * at a time and in order; what a listener throws is logged and harms nobody.
	 *
	 * @returns a function that ends it
	 */
	onChange(listener: ChangeListener): () => void {
		this.#start()
		return this.#listeners.add(listener)
	}

	/** Ends watching and forgets all values. May be called more than once. */
	override async destroy(): Promise<void> {
		if (this.#destroyed) return
		this.#destroyed = true
		this.#listeners.close()
		this.#overlay.clear()
		this.#view = EMPTY_VIEW
		for (const wake of this.#waiting.splice(0)) wake()
		await Promise.all(this.#mounts.map((mount) => mount.close()))
		this.#client = undefined
		this.#creating = undefined
		await super.destroy()
	}

	protected override async getSecretImpl<SecretNames extends string[]>(
		...secretNames: SecretNames
	): Promise<ObjectWithKeysFromStringArray<SecretNames, string | undefined>> {
		if (!this.#loaded || this.#destroyed) await this.ready()
		const { texts, entries } = this.#view
		const result: Record<string, string | undefined> = {}
		for (const name of secretNames) {
			const value = texts.get(name)
			if (value === undefined && entries.has(name)) throw storeError('Binary')
			if (name === '__proto__')
				Object.defineProperty(result, name, { value, enumerable: true, configurable: true, writable: true })
			else result[name] = value
		}
		return result as ObjectWithKeysFromStringArray<SecretNames, string | undefined>
	}

	protected override async setSecretImpl(name: string, value: string): Promise<void> {
		await this.#change(name, async (objectName) => {
			const written = await this.#vault.set(objectName, value, {})
			return { value, version: written.version }
		})
	}

	protected override async removeSecretImpl(name: string): Promise<void> {
		await this.#change(name, async (objectName) => {
			try {
				await this.#vault.remove(objectName, false)
			} catch (error) {
				if (!(error instanceof VaultFault && error.reason === 'NotFound')) throw error
			}
			return { value: undefined, version: undefined }
		})
	}

	/** Maps the name, waits for earlier changes of the same secret, calls the vault, and remembers what it accepted. */
	async #change(
		name: string,
		call: (objectName: string) => Promise<{ value: string | undefined; version: string | undefined }>,
	): Promise<void> {
		await this.ready().catch((error: unknown) => {
			// A write needs the mount only to map the name: with a vault it may go on without.
			if (reasonOf(error) === 'Destroyed' || this.config.vaultUrl === undefined) throw error
		})
		const target = resolveName(
			this.#aliases.get(name) ?? name,
			this.#mounts.map((mount) => mount.snapshot),
		)
		if (target.fileName === undefined && this.config.vaultUrl === undefined && this.#client === undefined)
			throw storeError('NotCovered')
		const objectName = checkObjectName(target.objectName)
		const shownAs = target.fileName ?? target.objectName
		await this.#oneAtATime(objectName.toLowerCase(), async () => {
			const base = this.#shown(shownAs)
			try {
				const done = await call(objectName)
				// A pinned secret keeps reading its pin, whatever is newer in the vault.
				if (target.meta?.pinned !== true && !this.#destroyed) {
					this.#overlay.add(shownAs, { ...done, base })
					this.#refresh()
				}
			} catch (error) {
				throw this.#failed(error)
			}
		})
	}

	async #oneAtATime<T>(key: string, work: () => Promise<T>): Promise<T> {
		const before = this.#writing.get(key) ?? Promise.resolve()
		const call = before.then(work, work)
		this.#writing.set(key, call)
		try {
			return await call
		} finally {
			if (this.#writing.get(key) === call) this.#writing.delete(key)
		}
	}

	#failed(error: unknown): unknown {
		if (!(error instanceof VaultFault)) return error
		const failure = storeError(error.reason)
		this.logger.error({ fault: describeFault(error.fault()) }, failure.message)
		return failure
	}

	/** Version that the mounts show of a file. */
	#shown(fileName: string): string | undefined {
		for (const mount of this.#mounts) {
			const secret = mount.snapshot?.secrets.get(fileName)
			if (secret !== undefined) return secret.meta?.version
		}
		return undefined
	}

	#start(): void {
		if (this.#destroyed) return
		this.#starting ??= Promise.all(this.#mounts.map((mount) => mount.start())).then(() => this.#refresh())
	}

	/** Makes the view anew, and tells what changed in it. */
	#refresh(): void {
		if (this.#destroyed) return
		this.#overlay.settle((name) => this.#shown(name))
		const before = this.#view
		const snapshots = this.#mounts.map((mount) => mount.snapshot)
		this.#view = buildView(snapshots, this.#overlay.entries, this.#aliases)
		if (!this.#loaded) {
			if (snapshots.some((snapshot) => snapshot === undefined)) return
			this.#loaded = true
			for (const wake of this.#waiting.splice(0)) wake()
			return
		}
		const changes = changesBetween(before, this.#view)
		if (changes.length > 0) this.#listeners.emit({ changes })
	}

	#onProblem(mountPath: string, problem: MountProblem | undefined, code: string | undefined): void {
		if (problem === undefined) this.logger.info({ mountPath }, 'the mounted directory can be read')
		else this.logger.warn({ mountPath, problem, code }, `${PROBLEM_TEXT[problem]}; the last good secrets stay`)
	}

	async #getClient(): Promise<SecretClient> {
		if (this.#destroyed) throw storeError('Destroyed')
		if (this.#client !== undefined) return this.#client
		const url =
			this.config.vaultUrl ??
			this.#mounts.map((mount) => mount.snapshot?.manifest?.vault).find((found) => found !== undefined)
		if (url === undefined) throw storeError('NoVault')
		if (this.#creating?.url !== url) {
			const { options, allowInsecureConnection } = this.config
			const client = createClient({
				url,
				credential: this.#credential,
				clientOptions: options,
				allowInsecureConnection,
			})
			this.#creating = { url, client }
		}
		this.#client = await this.#creating.client
		return this.#client
	}

	/** What `JSON.stringify` gets: the status. */
	toJSON(): object {
		return { name: this.name, ...this.status() }
	}

	static {
		// What `console.log` and `util.inspect` get: the status. (A method with this computed name has no isolated declaration.)
		Object.defineProperty(AzureMountedSecretStore.prototype, inspect.custom, {
			value(this: AzureMountedSecretStore) {
				return `${this.name} ${inspect(this.status())}`
			},
		})
	}
}
