import { storeError } from './errors.ts'
import type { Fallback } from './fallback.ts'
import { removeFromFolder, writeFolder } from './folder.ts'
import { Serial } from './limit.ts'
import { textOf } from './mount/snapshot.ts'
import type { Target } from './names.ts'
import { type Logger, UnhandledError } from './purista.ts'
import type { State } from './state.ts'
import { failureOf } from './vault/ask.ts'
import { describeFault } from './vault/faults.ts'
import {
	addressKey,
	checkObjectName,
	type SecretAddress,
	type Vault,
	VaultFault,
	type VaultValue,
} from './vault/vault.ts'
import type { ViewEntry } from './view.ts'
import type { Writer } from './writer.ts'

export interface CoreOptions {
	readonly state: State
	readonly vault: Vault
	readonly fallback: Fallback
	readonly writer: Writer
	/** True when names that no mount covers are the vault's. */
	readonly readsVault: () => boolean
	/** Vault of names that no mount covers, if it is known. */
	readonly defaultVault: () => string | undefined
	/** Plain directory that is written instead of the vault. */
	readonly folder: string | undefined
	readonly logger: () => Logger
}

type Changed = { value: string | undefined; version: string | undefined }

function put<T>(result: Record<string, T>, name: string, value: T): void {
	// An assignment would set the prototype, and upstream's stores lose such a name.
	if (name === '__proto__')
		Object.defineProperty(result, name, { value, enumerable: true, configurable: true, writable: true })
	else result[name] = value
}

/** Reads and changes of the store: the state first, the vault where the mounts end. */
export class Core {
	readonly #options: CoreOptions
	readonly #state: State
	readonly #serial = new Serial()

	constructor(options: CoreOptions) {
		this.#options = options
		this.#state = options.state
	}

	/**
	 * Texts by name; every name is a key. The names that the mounts have are of one generation. Not an async function, because one more
	 * promise would cost a read from memory half of its time again.
	 */
	texts(names: readonly string[]): Promise<Record<string, string | undefined>> {
		const { ready } = this.#state
		const result: Record<string, string | undefined> = {}
		for (const name of names) {
			const value = ready.get(name)
			if (value === undefined) return this.#textsBeyond(names)
			result[name] = value
		}
		return Promise.resolve(result)
	}

	/** When a name is not among the texts that are ready. */
	async #textsBeyond(names: readonly string[]): Promise<Record<string, string | undefined>> {
		const { loaded, destroyed } = this.#state
		this.#state.start()
		if (!loaded || destroyed) await this.#state.waitPatiently()
		const result: Record<string, string | undefined> = {}
		// First all of the mounts, in one turn.
		const found = names.map((name) => [name, this.entryOf(name)] as const)
		for (const [name, entry] of found) {
			if (entry !== undefined && entry.text === undefined) throw storeError('Binary')
			put(result, name, entry?.text)
		}
		const missing = new Set(found.filter(([, entry]) => entry === undefined).map(([name]) => name))
		await Promise.all([...missing].map(async (name) => put(result, name, (await this.beyond(name))?.value)))
		return result
	}

	/** As `texts`, with copies of the bytes. */
	async bytes(names: readonly string[]): Promise<Record<string, Buffer | undefined>> {
		await this.#state.waitPatiently()
		const result: Record<string, Buffer | undefined> = {}
		const found = names.map((name) => [name, this.entryOf(name)?.bytes] as const)
		for (const [name, bytes] of found) put(result, name, bytes && Buffer.from(bytes))
		await Promise.all(
			found.map(async ([name, bytes]) => {
				const value = bytes === undefined ? (await this.beyond(name))?.value : undefined
				if (value !== undefined) put(result, name, Buffer.from(value))
			}),
		)
		return result
	}

	/** Text of one version, of the mount if it has it, otherwise of the vault. */
	async version(name: string, version: string): Promise<string | undefined> {
		await this.#state.waitPatiently()
		const entry = this.entryOf(name)
		const mounted = entry?.mounted
		const held = entry?.version === version ? entry.bytes : mounted?.previous.get(version)
		const bytes = held ?? (mounted?.meta?.version === version ? mounted.bytes : undefined)
		if (bytes !== undefined) {
			const text = textOf(bytes)
			if (text === undefined) throw storeError('Binary')
			return text
		}
		if (!this.#options.readsVault()) throw storeError('VersionNotMounted')
		if (mounted?.meta?.form !== undefined) throw storeError('Derived')
		try {
			return (await this.#options.vault.get(this.#addressOf(this.#state.resolve(name)), version)).value
		} catch (error) {
			if (error instanceof VaultFault && error.reason === 'NotFound') return undefined
			throw failureOf(error, this.#options.logger())
		}
	}

	/** What a read of the name is answered with from memory. */
	entryOf(name: string): ViewEntry | undefined {
		const { entries } = this.#state.view
		const { fileName } = this.#state.resolve(name)
		return entries.get(name) ?? (fileName === undefined ? undefined : entries.get(fileName))
	}

	/** Reads what is not in memory: nothing if the mounts cover the name or this process removed it, otherwise what the vault has. */
	async beyond(name: string): Promise<VaultValue | undefined> {
		const { view, loaded } = this.#state
		const target = this.#state.resolve(name)
		const { fileName, objectName } = target
		if (view.removed.has(name) || view.removed.has(fileName ?? objectName)) return undefined
		if (fileName !== undefined && loaded) return undefined
		if (!this.#options.readsVault()) {
			if (loaded) return undefined
			throw storeError('NotReady')
		}
		try {
			return await this.#options.fallback.read(this.#addressOf(target))
		} catch (error) {
			throw failureOf(error, this.#options.logger())
		}
	}

	async set(name: string, value: string): Promise<void> {
		if (this.#options.folder !== undefined)
			return this.#changeFolder(name, (folder, file) => writeFolder(folder, file, value))
		await this.#change(name, async (target, address) => {
			const { version } = await this.#options.writer.set(target, address, value, target.meta?.version)
			return { value, version }
		})
	}

	async remove(name: string): Promise<void> {
		if (this.#options.folder !== undefined) return this.#changeFolder(name, removeFromFolder)
		await this.#change(name, async (_target, address) => {
			await this.#options.writer.remove(address)
			return { value: undefined, version: undefined }
		})
	}

	/** Maps the name, waits for earlier changes of the same secret, calls the vault, and remembers what it accepted. */
	async #change(name: string, call: (target: Target, address: SecretAddress) => Promise<Changed>): Promise<void> {
		const { readsVault, fallback, logger } = this.#options
		const state = this.#state
		// A mount that is not there yet cannot map the name. With a vault of its own the store goes on, as AzureSecretStore would.
		if (!(await state.waitPatiently()) && !readsVault()) throw storeError('NotReady')
		const address = this.#addressOf(state.resolve(name))
		await this.#serial.run(addressKey(address), async () => {
			const target = state.resolve(name)
			if (target.meta?.form !== undefined) throw storeError('Derived')
			const beyond = target.fileName === undefined
			if (beyond && !readsVault()) throw storeError('NotCovered')
			const shownAs = target.fileName ?? target.objectName
			const { token: base, pinned } = state.shown(shownAs)
			let done: Changed
			try {
				done = await call(target, address)
			} catch (error) {
				throw failureOf(error, logger())
			} finally {
				fallback.forget(address)
			}
			// A pinned name keeps reading its pin, whatever is newer in the vault.
			if (pinned || state.destroyed) return
			state.overlay.add(shownAs, { address, beyond, ...done, base })
			state.refresh()
		})
	}

	/** @throws UnhandledError (400) for a name that no vault can have */
	#addressOf({ vault, objectName }: Target): SecretAddress {
		return { vault: vault ?? this.#options.defaultVault(), objectName: checkObjectName(objectName) }
	}

	async #changeFolder(name: string, change: (folder: string, fileName: string) => Promise<void>): Promise<void> {
		const { folder = '', logger } = this.#options
		await this.#state.waitPatiently()
		const { fileName, objectName } = this.#state.resolve(name)
		try {
			await change(folder, fileName ?? objectName)
		} catch (error) {
			if (error instanceof UnhandledError) throw error
			logger().error({ fault: describeFault(error) }, 'the folder could not be written')
			throw storeError('Folder')
		}
		await this.#state.mounts[0]?.check()
	}
}
