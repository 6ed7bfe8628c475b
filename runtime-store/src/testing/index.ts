/**
 * A store on a real temporary directory, for unit tests of services: rotate, expire and remove secrets, or take the mount away, without
 * a cluster or a vault.
 *
 * @example
 * ```typescript
 * import { createTestStore } from 'purista-azure-mounted-secret-store/testing'
 *
 * await using test = await createTestStore({ dbConnectionString: 'first' })
 * const service = await paymentsV1Service.getInstance(eventBridge, { secretStore: test.store })
 * await test.rotate('dbConnectionString', 'second')
 * ```
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AzureMountedSecretStore } from '../AzureMountedSecretStore.impl.ts'
import {
	MANIFEST_FILE,
	type Manifest,
	type ManifestSecret,
	previousFileName,
	serializeManifest,
} from '../manifest/index.ts'
import { initLogger, type StoreBaseConfig } from '../purista.ts'
import type { AzureMountedSecretStoreConfig } from '../types.ts'
import { AtomicWriter } from './atomic-writer.ts'

export { AtomicWriter } from './atomic-writer.ts'

/** What a test may say of a secret besides its value. */
export type TestSecretOptions = Partial<Omit<ManifestSecret, 'previous' | 'version'>> & {
	/** @default 32 random hexadecimal digits */
	version?: string
	/** Number of older versions that stay mounted. @default 1 */
	keep?: number
}

interface Held {
	readonly value: Uint8Array
	readonly meta: ManifestSecret
	readonly older: ReadonlyArray<{ value: Uint8Array; version: string; created?: string }>
}

const seconds = (time: Date) => `${time.toISOString().slice(0, 19)}Z`

/** A store, its directory, and the hand on both. */
export class TestStore implements AsyncDisposable {
	readonly store: AzureMountedSecretStore
	/** The directory that the store reads, written as the kubelet does it. */
	readonly mountPath: string
	readonly #folder: string
	readonly #writer: AtomicWriter
	readonly #vault: string
	readonly #held = new Map<string, Held>()
	#revision = 0

	/** Use {@link createTestStore}. */
	constructor(folder: string, config: Partial<StoreBaseConfig<AzureMountedSecretStoreConfig>>) {
		this.#folder = folder
		this.mountPath = join(folder, 'mount')
		this.#writer = new AtomicWriter(this.mountPath)
		// Writes go to the vault that the mount names.
		this.#vault = config.vaultUrl ?? config.client?.vaultUrl ?? 'https://test.vault.azure.net'
		// A directory that vanishes is noticed by time only: a test should not wait five seconds for it.
		const quick = { pollMs: 50, logger: initLogger('fatal') }
		this.store = new AzureMountedSecretStore({ mountPath: this.mountPath, ...quick, ...config })
	}

	/** Sets secrets without waiting for the store. Strings are written as UTF-8. */
	async write(values: Readonly<Record<string, string | Uint8Array>>, options: TestSecretOptions = {}): Promise<void> {
		for (const [name, value] of Object.entries(values)) this.#put(name, value, options)
		await this.#commit()
	}

	/** Gives a secret a new version and waits until the store has it. Returns the version. */
	async rotate(name: string, value: string | Uint8Array, options: TestSecretOptions = {}): Promise<string> {
		await this.write({ [name]: value }, options)
		await this.#seen()
		return this.#held.get(name)?.meta.version ?? ''
	}

	/** Lets the present version of a secret expire, by default now, and waits until the store knows. */
	async expire(name: string, at: Date = new Date()): Promise<void> {
		const held = this.#held.get(name)
		if (held === undefined) throw new Error(`the test store has no secret "${name}"`)
		this.#held.set(name, { ...held, meta: { ...held.meta, expires: seconds(at) } })
		await this.#commit()
		await this.#seen()
	}

	/** Removes a secret and waits until the store knows. */
	async remove(name: string): Promise<void> {
		this.#held.delete(name)
		await this.#commit()
		await this.#seen()
	}

	/** Takes the mount away, as a node in trouble does, and waits until the store has noticed. {@link TestStore.restore} brings it back. */
	async vanish(): Promise<void> {
		await rename(this.mountPath, join(this.#folder, 'gone'))
		await this.#until(() => this.store.status().mounts[0]?.problem === 'missing')
	}

	/** Brings the mount back and waits until the store reads it again. */
	async restore(): Promise<void> {
		await rename(join(this.#folder, 'gone'), this.mountPath)
		await this.#until(() => this.store.status().mounts[0]?.problem === undefined)
	}

	/** Destroys the store and removes the directory. */
	async destroy(): Promise<void> {
		await this.store.destroy()
		await rm(this.#folder, { recursive: true, force: true })
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.destroy()
	}

	#put(
		name: string,
		value: string | Uint8Array,
		{ keep = 1, version = randomBytes(16).toString('hex'), ...options }: TestSecretOptions,
	): void {
		const before = this.#held.get(name)
		const last =
			before === undefined
				? []
				: [
						{
							value: before.value,
							version: before.meta.version,
							...(before.meta.created === undefined ? {} : { created: before.meta.created }),
						},
					]
		const older = [...last, ...(before?.older ?? [])].slice(0, keep)
		const now = seconds(new Date())
		const previous = older.map(({ value: _value, ...item }) => item)
		const fixed = { objectName: name, state: 'Current' as const, pinned: false, created: now, updated: now, tags: {} }
		this.#held.set(name, { value: Buffer.from(value), meta: { ...fixed, ...options, version, previous }, older })
	}

	async #commit(): Promise<void> {
		this.#revision += 1
		const files: Record<string, string | Uint8Array> = {}
		const secrets: Manifest['secrets'] = {}
		for (const [name, { value, meta, older }] of this.#held) {
			files[name] = value
			secrets[name] = meta
			for (const [i, item] of older.entries()) files[previousFileName(name, i + 1)] = item.value
		}
		const binding = { namespace: 'test', name: 'test', uid: this.#folder }
		files[MANIFEST_FILE] = serializeManifest({
			schema: 1,
			revision: this.#revision,
			binding,
			vault: this.#vault,
			selectors: [],
			secrets,
		})
		await this.#writer.write(files)
	}

	#seen(): Promise<void> {
		return this.#until(() => this.store.status().mounts[0]?.revision === this.#revision)
	}

	/** The watcher needs some milliseconds, the store's poll at most five seconds. */
	async #until(holds: () => boolean): Promise<void> {
		await this.store.ready().catch(() => {})
		for (let waited = 0; !holds(); waited += 5) {
			if (waited > 10_000) throw new Error('the test store did not see the change within 10 s')
			await new Promise((resolve) => setTimeout(resolve, 5))
		}
	}
}

/**
 * Makes a store on a temporary directory and waits until it is ready.
 *
 * @param secrets values by name
 * @param config other options of the store; `vaultUrl`, `client` or `credential` let it write to a vault or an emulator
 */
export async function createTestStore(
	secrets: Readonly<Record<string, string | Uint8Array>> = {},
	config: Partial<StoreBaseConfig<AzureMountedSecretStoreConfig>> = {},
): Promise<TestStore> {
	const test = new TestStore(await mkdtemp(join(tmpdir(), 'secret-store-')), config)
	await test.write(secrets)
	await test.store.ready()
	return test
}
