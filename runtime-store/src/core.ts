import { notCovered, versionNotMounted } from './advice.ts'
import { storeError } from './errors.ts'
import type { Fallback } from './fallback.ts'
import { removeFromFolder, writeFolder } from './folder.ts'
import type { Followed } from './followed.ts'
import type { HotTexts } from './hot.ts'
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
	readonly hot: HotTexts
	readonly followed: Followed
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

/** @throws UnhandledError (400): callers without types give what they like */
export function checkNames(names: readonly unknown[]): void {
	for (const name of names) if (typeof name !== 'string') throw storeError('NotAString')
}

/** Reads and changes of the store: the state first, the vault where the mounts end. */
export class Core {
	readonly #options: CoreOptions
	readonly #state: State
	readonly #hot: ReadonlyMap<string, string>
	readonly #serial = new Serial()

	constructor(options: CoreOptions) {
		this.#options = options
		this.#state = options.state
		this.#hot = options.hot.texts
	}

	/**
	 * Texts by name; every name is a key. The names that the mounts have are of one generation. From memory no promise is made: the base
	 * class makes one of its own, and a second one inside it would cost a read half of its time again.
	 */
	texts(names: readonly string[]): Record<string, string | undefined> | Promise<Record<string, string | undefined>> {
		const { ready } = this.#state
		const result: Record<string, string | undefined> = {}
		for (const name of names) {
			let value = ready.get(name)
			if (value === undefined) {
				value = this.#hot.get(name)
				if (value === undefined) return this.#textsBeyond(names)
				this.#options.fallback.hits += 1
			}
			result[name] = value
		}
		return result
	}

	/** When a name is not among the texts that are ready. */
	async #textsBeyond(names: readonly string[]): Promise<Record<string, string | undefined>> {
		checkNames(names)
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
		checkNames(names)
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
		checkNames([name, version])
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
		const target = this.#state.resolve(name)
		if (!target.certain) throw this.#state.notReady()
		if (!this.#options.readsVault()) {
			const kept = { covered: target.fileName !== undefined, previous: mounted?.previous.size ?? 0 }
			throw versionNotMounted(this.#options.defaultVault() !== undefined, kept)
		}
		if (target.form !== undefined) throw storeError('Derived')
		try {
			return (await this.#options.vault.get(this.#addressOf(target), version)).value
		} catch (error) {
			if (error instanceof VaultFault && error.reason === 'NotFound') return undefined
			throw failureOf(error, this.#options.logger())
		}
	}

	/** What a read of the name is answered with from memory. @throws UnhandledError (503) while that is not certain */
	entryOf(name: string): ViewEntry | undefined {
		checkNames([name])
		const { entries } = this.#state.view
		const target = this.#state.resolve(name)
		const entry = entries.get(name) ?? (target.fileName === undefined ? undefined : entries.get(target.fileName))
		if (entry !== undefined && !target.certain) throw this.#state.notReady()
		// In another case than the mount writes it: nobody will tell a change of it under this name otherwise.
		if (entry !== undefined && !entries.has(name)) this.#options.followed.remember(name)
		return entry
	}

	/**
	 * Reads what is not in memory. Nothing if this process removed it or a selector will deliver it; otherwise what the vault has, of a wanted
	 * name under the name that the binding gives it there.
	 *
	 * @throws UnhandledError (503) while nobody knows what the name means
	 */
	async beyond(name: string, fresh = false): Promise<VaultValue | undefined> {
		const { state, readsVault, fallback, hot, followed, logger } = this.#options
		const { view } = state
		const target = state.resolve(name)
		const { fileName, objectName, selector, version } = target
		if (state.destroyed) throw storeError('Destroyed')
		if (!target.certain) throw state.notReady()
		if (fileName !== undefined && state.isUnreadable(fileName)) throw storeError('Unreadable')
		if (view.removed.has(name) || view.removed.has(fileName ?? objectName) || selector !== undefined) return undefined
		if (!readsVault()) return undefined
		if (target.form !== undefined) throw storeError('NotReady', 'the binding has not delivered this file yet')
		const address = this.#addressOf(target)
		let found: VaultValue | undefined
		try {
			found = await fallback.read(address, version, fresh)
		} catch (error) {
			throw failureOf(error, logger())
		}
		// What changed meanwhile may have given the name another meaning.
		if (state.view === view) {
			hot.set(name, found?.value, fallback.freshUntil(address, version, found))
			followed.note(name, found)
		}
		return found
	}

	async set(name: string, value: string): Promise<void> {
		checkNames([name, value])
		if (this.#options.folder !== undefined)
			return this.#changeFolder(name, (folder, file) => writeFolder(folder, file, value))
		await this.#change(name, async (target, address) => {
			const { version } = await this.#options.writer.set(target, address, value, target.meta?.version)
			return { value, version }
		})
	}

	async remove(name: string): Promise<void> {
		checkNames([name])
		if (this.#options.folder !== undefined) return this.#changeFolder(name, removeFromFolder)
		await this.#change(name, async (_target, address) => {
			await this.#options.writer.remove(address)
			return { value: undefined, version: undefined }
		})
	}

	/** Maps the name, waits for earlier changes of the same secret, calls the vault, and remembers what it accepted. */
	async #change(name: string, call: (target: Target, address: SecretAddress) => Promise<Changed>): Promise<void> {
		const { fallback, hot, followed, logger, state } = this.#options
		await state.waitPatiently()
		// The name may mean another secret when its turn comes: then it has to wait for the changes of that one.
		for (let done = false; !done; ) {
			const first = this.#writable(name)
			done = await this.#serial.run(addressKey(first), async () => {
				const address = this.#writable(name)
				if (addressKey(address) !== addressKey(first)) return false
				const target = state.resolve(name)
				const shownAs = target.fileName ?? target.objectName
				const names = new Set([shownAs, ...state.namesOf(address)])
				const bases = new Map([...names].map((each) => [each, state.shown(each).token]))
				if (state.shown(shownAs).pinned) bases.delete(shownAs)
				let changed: Changed
				try {
					changed = await call(target, address)
				} catch (error) {
					throw failureOf(error, logger())
				} finally {
					fallback.forget(address)
					hot.clear()
				}
				// A pinned name keeps reading its pin, whatever is newer in the vault.
				if (bases.size === 0 || state.destroyed) return true
				state.overlay.add({ address, beyond: target.fileName === undefined, ...changed }, bases)
				state.refresh()
				if (target.fileName === undefined) followed.note(name, changed)
				return true
			})
		}
	}

	/** Address of a name that may be written. */
	#writable(name: string): SecretAddress {
		const { readsVault, defaultVault, state } = this.#options
		// It may have waited for its turn.
		if (state.destroyed) throw storeError('Destroyed')
		const target = state.resolve(name)
		if (!target.mapped) throw state.notReady()
		if (target.form !== undefined) throw storeError('Derived')
		if (target.fileName === undefined && !readsVault()) throw notCovered(state.mounts, defaultVault() !== undefined)
		return this.#addressOf(target)
	}

	/** @throws UnhandledError (400) for a name that no vault can have, 503 while the name has no known meaning */
	#addressOf({ vault, objectName, mapped }: Target): SecretAddress {
		if (!mapped) throw this.#state.notReady()
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
