import { setImmediate } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { SecretClient } from '@azure/keyvault-secrets'
import type { ChangeListener } from './changes.ts'
import { type Clock, systemClock } from './clock.ts'
import { Core, checkNames } from './core.ts'
import { describeEntry, describeValue, type SecretDescription } from './describe.ts'
import { type ExpiringListener, watchExpiry } from './expiring.ts'
import { Fallback } from './fallback.ts'
import { Followed } from './followed.ts'
import { HotTexts } from './hot.ts'
import type { MountProblem } from './mount/mount.ts'
import { readMount } from './mount/read.ts'
import type { MountSnapshot } from './mount/snapshot.ts'
import { rootOf, watchDirectory } from './mount/watch.ts'
import { checkOptions } from './options.ts'
import {
	type ObjectWithKeysFromStringArray,
	SecretStoreBaseClass,
	StatusCode,
	type StoreBaseConfig,
	UnhandledError,
} from './purista.ts'
import { State } from './state.ts'
import { type StoreStatus, statusOf } from './status.ts'
import { observeStore } from './telemetry.ts'
import type { AzureMountedSecretStoreConfig } from './types.ts'
import { askCurrent } from './vault/ask.ts'
import { VaultClients } from './vault/clients.ts'
import { keyVault } from './vault/key-vault.ts'
import { Writer } from './writer.ts'

/** Name of the store in logs, metrics and spans; a constant, because it is a label. */
const STORE_NAME = 'AzureMountedSecretStore'
// 2 x interval: the look of the operator that just missed the write, and the next. 90 s: the kubelet's longest sync period.
const KUBELET_MS = 90_000

const PROBLEM_TEXT: Readonly<Record<MountProblem, string>> = {
	missing: 'the mounted directory is not there',
	empty: 'the mounted directory is empty',
	unreadable: 'the mounted directory cannot be read',
	older: 'the mounted directory shows an older revision than before',
}

/** An option given as `undefined` means the default, not "off". */
function given<T extends object>(config: T): T {
	return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)) as T
}

/**
 * Secret store that reads Azure Key Vault secrets from a mounted directory, follows their rotation, and writes to the vault.
 *
 * Reads are answered from memory: one snapshot of one generation of the mount, replaced as a whole when the files are
 * swapped, so that all names of one call belong together. A read does no IO, except for names that no mount covers: with
 * `vaultUrl` those are read from the vault and kept for `cacheTtl`.
 *
 * Writes and removals go straight to Key Vault. This process reads them back at once; others get them through the mount.
 *
 * Names are file names of the mount, aliases, or vault names; Key Vault names have letters, digits and `-`.
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
	readonly #state: State
	readonly #clients: VaultClients
	readonly #fallback: Fallback
	readonly #hot: HotTexts
	readonly #followed: Followed
	readonly #core: Core
	readonly #ends = new Set<() => void>()
	#destroying: Promise<void> | undefined

	/**
	 * Creates the store. Does no IO and does not throw for a mount or vault that is not there.
	 *
	 * @param config Store options, the mount, and optionally the vault.
	 * @throws UnhandledError (500) for options that are not valid; it names all of them
	 */
	constructor(config: StoreBaseConfig<AzureMountedSecretStoreConfig>) {
		// The client and the credential stay out of the public `config`, which applications print.
		const options = given(config)
		checkOptions(options)
		const { client, credential, ...rest } = options
		super(STORE_NAME, { ...rest, enableCache: false })
		const { vaultUrl, allowInsecureConnection } = rest
		const paths = [...new Set([rest.mountPath].flat())]
		const clock: Clock = systemClock
		this.#clock = clock
		this.#hot = new HotTexts(clock)
		this.#clients = new VaultClients({ vaultUrl, credential, options: rest.options, allowInsecureConnection }, client)
		const vault = keyVault({
			clientOf: (url) => this.#clients.of(url),
			clock,
			concurrency: rest.concurrency ?? 8,
			requestTimeoutMs: rest.requestTimeoutMs ?? 10_000,
		})
		const writer = new Writer({
			vault,
			clock,
			write: rest.write ?? {},
			recoverDeleted: rest.onDeleted === 'recover',
			awaitDelete: rest.awaitDelete ?? false,
		})
		const cached = rest.enableCache ?? true
		this.#fallback = new Fallback({
			vault,
			clock,
			ttlMs: cached ? (rest.cacheTtl ?? 60_000) : 0,
			absentTtlMs: cached ? (rest.absentTtlMs ?? 5_000) : 0,
			staleMs: cached ? (rest.staleIfErrorMs ?? 600_000) : 0,
			onStale: (ageMs) =>
				this.logger.warn({ ageMs }, 'the vault cannot be reached: serving values that were read before'),
			onReplaced: () => this.#hot.clear(),
		})
		this.#state = new State({
			paths,
			aliases: new Map(Object.entries(rest.aliases ?? {})),
			clock,
			patienceMs: rest.readyTimeoutMs ?? 10_000,
			logger: () => this.logger,
			onStart: () => this.#ends.add(observeStore(() => this.status())),
			mount: {
				read: readMount,
				trim: rest.trim ?? false,
				turn: () => setImmediate(),
				resolve: rootOf,
				watch: watchDirectory,
				pollMs: rest.pollMs ?? 5_000,
				absentIsFine: rest.writeTo === 'folder',
				onProblem: (path, problem, code) => this.#onProblem(path, problem, code),
				onFlaw: (path, snapshot) => this.#onFlaw(path, snapshot),
				onWatchLost: (path, code) =>
					this.logger.warn({ mountPath: path, code }, 'no file events: looking at the mount by time only'),
			},
			overlay: {
				random: Math.random,
				keepMs: 2 * (rest.refreshIntervalMs ?? 60_000) + KUBELET_MS,
				ask: (address) => askCurrent(vault, address),
				onGivenUp: () =>
					this.logger.warn('the vault did not say whether a write of this process is current: the mount decides'),
			},
		})
		this.#followed = new Followed({
			clock,
			// Without a cache there is no time to go by but the default.
			intervalMs: rest.cacheTtl === undefined || rest.cacheTtl === 0 ? 60_000 : rest.cacheTtl,
			fileOf: (name) => {
				const { fileName } = this.#state.resolve(name)
				return fileName !== undefined && this.#state.view.entries.has(fileName) ? fileName : undefined
			},
			read: (name) => this.#core.beyond(name, true),
			emit: (changes) => this.#state.emit(changes),
		})
		this.#state.onView((changes) => {
			this.#hot.clear()
			this.#state.emit(this.#followed.withOtherNames(changes))
		})
		this.#core = new Core({
			state: this.#state,
			vault,
			fallback: this.#fallback,
			hot: this.#hot,
			followed: this.#followed,
			writer,
			readsVault: () => rest.readFallback ?? this.#clients.hasDefault,
			defaultVault: () => this.#clients.defaultVault,
			folder: rest.writeTo === 'folder' ? paths[0] : undefined,
			logger: () => this.logger,
		})
	}

	/**
	 * Azure Key Vault client that was given, if any. Tests may replace it.
	 */
	get client(): SecretClient | undefined {
		return this.#clients.given
	}

	set client(client: SecretClient | undefined) {
		this.#clients.given = client
	}

	/**
	 * Waits until the mounts are loaded: for readiness probes, and before services start.
	 *
	 * @param timeoutMs milliseconds to wait
	 * @throws UnhandledError (503) when a mount could not be read in that time
	 */
	async ready(timeoutMs: number = this.config.readyTimeoutMs ?? 10_000): Promise<void> {
		if (!(await this.#state.waitLoaded(timeoutMs))) throw this.#state.notReady()
	}

	/**
	 * True when all mounts are loaded, in the shape that event bridges have: for readiness probes. Does not wait.
	 */
	async isReady(): Promise<boolean> {
		this.#state.start()
		return this.#state.loaded && !this.#state.destroyed
	}

	/**
	 * True until the store is destroyed, in the shape that event bridges and health functions have: for liveness probes. A mount or a vault
	 * in trouble does not count, because a restart of the process heals neither; `status()` tells of them.
	 */
	async isHealthy(): Promise<boolean> {
		return !this.#state.destroyed
	}

	/** Tells how current the mounts are and what reads beyond them cost. Holds no values, and names only of files that cannot be read. */
	status(): StoreStatus {
		const { mounts, loaded, destroyed, overlay } = this.#state
		const now = this.#clock.monotonic()
		return {
			ready: loaded && !destroyed,
			destroyed,
			mounts: mounts.map((mount) => statusOf(mount, now)),
			pendingWrites: overlay.size,
			fallback: this.#fallback.status(),
		}
	}

	/**
	 * Calls the listener when what a read gives has changed: by a rotation, or by a write of this process. It gets names and
	 * versions, never values. Not called for the first load. Calls of one listener come one at a time, what happens meanwhile is
	 * merged; what it throws is logged and harms nobody.
	 *
	 * A change is told for every name that leads to the secret: file name, vault name, alias, and the vault name in another case if it was
	 * read so. Names that no mount covers are read from the vault every `cacheTtl` (60 s unless given) while somebody listens, one GET for
	 * each name that was read before or is in `names`.
	 *
	 * @param names only changes of these names; they are told as they are written here
	 * @returns a function that ends it
	 * @throws UnhandledError (400) for names that are no strings
	 */
	onChange(listener: ChangeListener, names?: readonly string[]): () => void {
		checkNames(names ?? [])
		if (this.#state.destroyed) return () => {}
		const end = this.#state.onChange(listener, names)
		const endPolling = this.#followed.listen(names)
		return () => {
			end()
			endPolling()
		}
	}

	/**
	 * Calls the listener once for each mounted version that has no more than `thresholdMs` milliseconds left, or is expired.
	 *
	 * @returns a function that ends it
	 */
	onExpiring(thresholdMs: number, listener: ExpiringListener): () => void {
		if (this.#state.destroyed) return () => {}
		const end = watchExpiry(this.#state, this.#clock, () => this.logger, thresholdMs, listener)
		this.#ends.add(end)
		return () => {
			this.#ends.delete(end)
			end()
		}
	}

	/**
	 * Gets secrets as bytes: for certificates, key stores and other values that are no text. Each is a copy.
	 *
	 * @throws UnhandledError as `getSecret` does
	 */
	async getSecretBytes<SecretNames extends string[]>(
		...secretNames: SecretNames
	): Promise<ObjectWithKeysFromStringArray<SecretNames, Buffer | undefined>> {
		await this.#readable()
		return (await this.#core.bytes(secretNames)) as ObjectWithKeysFromStringArray<SecretNames, Buffer | undefined>
	}

	/**
	 * Gets one version of a secret: from the mount when it has it (the current one and, with `previous` in the binding, older
	 * ones), otherwise from the vault.
	 *
	 * @returns undefined when the vault has no such version
	 * @throws UnhandledError (501) when the mount does not have it and no vault is asked
	 */
	async getSecretVersion(name: string, version: string): Promise<string | undefined> {
		await this.#readable()
		return this.#core.version(name, version)
	}

	/** Tells what is known of a secret besides its value; undefined when there is no such secret. */
	async describe(name: string): Promise<SecretDescription | undefined> {
		await this.#readable()
		const entry = this.#core.entryOf(name)
		const target = this.#state.resolve(name)
		if (entry !== undefined) return describeEntry(entry, target)
		const found = await this.#core.beyond(name)
		return found === undefined ? undefined : describeValue(found, target)
	}

	/** Ends watching and forgets all values. May be called more than once. */
	override destroy(): Promise<void> {
		this.#destroying ??= this.#destroy()
		return this.#destroying
	}

	async #destroy(): Promise<void> {
		for (const end of this.#ends) end()
		this.#ends.clear()
		this.#fallback.clear()
		this.#hot.clear()
		this.#followed.clear()
		this.#clients.close()
		await this.#state.destroy()
		await super.destroy()
	}

	protected override getSecretImpl<SecretNames extends string[]>(
		...secretNames: SecretNames
	): Promise<ObjectWithKeysFromStringArray<SecretNames, string | undefined>> {
		// From memory it is no promise: only the base class calls this, in an async function, which takes one or the other.
		return this.#core.texts(secretNames) as Promise<ObjectWithKeysFromStringArray<SecretNames, string | undefined>>
	}

	protected override setSecretImpl(name: string, value: string): Promise<void> {
		return this.#core.set(name, value)
	}

	protected override removeSecretImpl(name: string): Promise<void> {
		return this.#core.remove(name)
	}

	async #readable(): Promise<void> {
		if (!this.config.enableGet) {
			const err = new UnhandledError(StatusCode.Unauthorized, 'get secret from store is disabled by config')
			this.logger.error({ err }, err.message)
			throw err
		}
		await this.#state.waitPatiently()
	}

	#onProblem(mountPath: string, problem: MountProblem | undefined, code: string | undefined): void {
		if (problem === undefined) this.logger.info({ mountPath }, 'the mounted directory can be read')
		else this.logger.warn({ mountPath, problem, code }, `${PROBLEM_TEXT[problem]}; the last good secrets stay`)
	}

	#onFlaw(mountPath: string, { manifestProblem, mapping, manifestState, faults }: MountSnapshot): void {
		if (manifestProblem !== undefined)
			this.logger.warn(
				{ mountPath, manifest: manifestState, problem: manifestProblem },
				mapping === 'kept'
					? 'the manifest of the mount cannot be used; names lead where the last good one said'
					: 'the manifest of the mount cannot be used: files are read, and the vault is not asked or written under their names',
			)
		if (faults.size > 0)
			this.logger.warn(
				{ mountPath, files: Object.fromEntries(faults) },
				'files of the mount cannot be read; the others are',
			)
		if (manifestProblem === undefined && faults.size === 0)
			this.logger.info({ mountPath }, 'the manifest and all files of the mount can be read')
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
