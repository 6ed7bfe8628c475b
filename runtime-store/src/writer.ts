import type { Clock } from './clock.ts'
import type { Target } from './names.ts'
import { type SecretAddress, type Vault, VaultFault, type VaultValue, type WriteProperties } from './vault/vault.ts'

/** What a write takes over besides the value. */
export interface WriteOptions {
	/**
	 * Where the tags and the content type of the new version come from.
	 *
	 * - `mount`: as the manifest shows them, so that a secret selected by tags stays selected; costs no call
	 * - `vault`: all those of the current version; costs a read before the write
	 * - `none`: none, as `AzureSecretStore` does
	 *
	 * @default 'mount'
	 */
	keep?: 'mount' | 'vault' | 'none'
	/** Tags set on every written secret, over those that are kept. */
	tags?: Record<string, string>
	/** Content type of every written secret, instead of one that is kept. */
	contentType?: string
}

export interface WriterOptions {
	readonly vault: Vault
	readonly clock: Clock
	readonly write: WriteOptions
	readonly recoverDeleted: boolean
	readonly awaitDelete: boolean
}

// A delete or a recover is under way for 2 to 20 s; SDK pollers look every 2 s.
const BUSY_PAUSE_MS = 2_000
const BUSY_ATTEMPTS = 15

/** Writes and deletes in the vault: what AzureSecretStore does, and what follows when the answer is not a plain yes. */
export class Writer {
	readonly #options: WriterOptions

	constructor(options: WriterOptions) {
		this.#options = options
	}

	/**
	 * Writes a new version.
	 *
	 * 1. Put. Done when accepted.
	 * 2. The name is taken by a deleted secret, or one is being deleted or recovered: with `recoverDeleted`, recover it and put again, for at
	 *    most 30 s; its older versions come back with it.
	 * 3. No answer, or a fault of the service: the outcome is unknown. Ask once: if the vault now has our value, under a version that the mount
	 *    did not show before, then the write was done. Otherwise the fault is the answer, and nothing is remembered of the write.
	 *
	 * @param knownVersion version that the mount showed when the call began
	 * @throws VaultFault
	 */
	async set(
		target: Target,
		address: SecretAddress,
		value: string,
		knownVersion: string | undefined,
	): Promise<VaultValue> {
		const properties = await this.#properties(target, address)
		try {
			return await this.#put(address, value, properties)
		} catch (error) {
			if (!(error instanceof VaultFault) || error.reason !== 'Unavailable') throw error
			const current = await this.#options.vault.get(address).catch(() => undefined)
			if (current === undefined || current.value !== value || current.version === knownVersion) throw error
			return current
		}
	}

	/**
	 * Deletes. A secret that is not there is as good as deleted. When the outcome is unknown the vault is asked once.
	 *
	 * @throws VaultFault
	 */
	async remove(address: SecretAddress): Promise<void> {
		const { vault, awaitDelete } = this.#options
		try {
			await vault.remove(address, awaitDelete)
		} catch (error) {
			if (!(error instanceof VaultFault)) throw error
			if (error.reason === 'NotFound') return
			if (error.reason !== 'Unavailable') throw error
			const answer = await vault.get(address).then(
				() => 'there' as const,
				(failure: unknown) => failure,
			)
			if (!(answer instanceof VaultFault && answer.reason === 'NotFound')) throw error
		}
	}

	async #put(address: SecretAddress, value: string, properties: WriteProperties): Promise<VaultValue> {
		const { vault, clock, recoverDeleted } = this.#options
		for (let attempt = 1; ; attempt++) {
			try {
				return await vault.set(address, value, properties)
			} catch (error) {
				const taken = error instanceof VaultFault && (error.reason === 'Deleted' || error.reason === 'Conflict')
				if (!taken || !recoverDeleted || attempt === BUSY_ATTEMPTS) throw error
				const recovered = error.reason === 'Deleted' && (await this.#recovered(address))
				if (!recovered) await new Promise<void>((resolve) => clock.after(BUSY_PAUSE_MS, resolve, true))
			}
		}
	}

	/** False when the secret is between two states and the put should be tried again a little later. */
	async #recovered(address: SecretAddress): Promise<boolean> {
		try {
			await this.#options.vault.recover(address)
			return true
		} catch (error) {
			// 404: the delete is not over yet, or somebody else recovered it; 409: being recovered.
			if (error instanceof VaultFault && (error.reason === 'NotFound' || error.reason === 'Conflict')) return false
			throw error
		}
	}

	async #properties(target: Target, address: SecretAddress): Promise<WriteProperties> {
		const { keep = 'mount', tags: ownTags, contentType: ownType } = this.#options.write
		let tags: Record<string, string> = {}
		let contentType: string | undefined
		if (keep === 'mount') {
			tags = { ...target.selector?.tags, ...target.meta?.tags }
			contentType = target.meta?.contentType
		}
		if (keep === 'vault') {
			const current = await this.#options.vault.get(address).catch((error: unknown) => {
				if (error instanceof VaultFault && error.reason === 'NotFound') return undefined
				throw error
			})
			tags = { ...target.selector?.tags, ...current?.tags }
			contentType = current?.contentType
		}
		tags = { ...tags, ...ownTags }
		contentType = ownType ?? contentType
		return {
			...(Object.keys(tags).length === 0 ? {} : { tags }),
			...(contentType === undefined ? {} : { contentType }),
		}
	}
}
