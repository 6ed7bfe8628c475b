import type { TokenCredential } from '@azure/identity'
import type { SecretClient, SecretClientOptions } from '@azure/keyvault-secrets'
import { storeError } from '../errors.ts'
import { normalUrl } from './vault.ts'

// The public cloud, China, US Government and the former German cloud: the suffixes of the service's own documentation.
const HOSTS = /^[0-9a-z-]{3,24}\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net|microsoftazure\.de)$/

export interface ClientsOptions {
	/** Vault of names that no mount covers. */
	readonly vaultUrl: string | undefined
	readonly credential: TokenCredential | undefined
	readonly options: SecretClientOptions | undefined
	readonly allowInsecureConnection: boolean | undefined
}

/**
 * The clients of the vaults that are written to and read from. The Azure SDK costs about 200 ms and 19 MB (@azure/identity 4.14,
 * @azure/keyvault-secrets 4.12, Node 24), so the first call that needs a vault loads it: a process that only reads files never
 * pays for it.
 */
export class VaultClients {
	/** A client that was given to us. It serves its own vault, and any vault when it does not say which it is of. */
	given: SecretClient | undefined
	readonly #options: ClientsOptions
	readonly #made = new Map<string, Promise<SecretClient>>()
	#credential: Promise<TokenCredential> | undefined
	#closed = false

	constructor(options: ClientsOptions, given: SecretClient | undefined) {
		this.#options = options
		this.given = given
	}

	/** True when names that no mount covers have a vault. */
	get hasDefault(): boolean {
		return this.given !== undefined || this.#options.vaultUrl !== undefined
	}

	/** Their vault, if it is known: a client that was given may not say. */
	get defaultVault(): string | undefined {
		return this.#options.vaultUrl ?? this.given?.vaultUrl
	}

	/**
	 * Client of a vault.
	 *
	 * @param url vault that the mount names; undefined for the configured one
	 * @throws UnhandledError (501) when there is none, 503 when the store is destroyed
	 */
	async of(url: string | undefined): Promise<SecretClient> {
		// Whatever waited or repeats itself: nothing reaches a vault any more.
		if (this.#closed) throw storeError('Destroyed')
		const own = this.given?.vaultUrl
		const wanted = url ?? this.#options.vaultUrl
		if (this.given !== undefined && (own === undefined || wanted === undefined || normalUrl(own) === normalUrl(wanted)))
			return this.given
		if (wanted === undefined) throw storeError('NoVault')
		if (url !== undefined && !this.#isAllowed(url)) throw storeError('VaultNotAllowed')
		const key = normalUrl(wanted)
		const made = this.#made.get(key) ?? this.#make(wanted)
		this.#made.set(key, made)
		try {
			return await made
		} catch (error) {
			this.#made.delete(key)
			throw error
		}
	}

	/** Forgets clients and tokens, and makes no more. */
	close(): void {
		this.#closed = true
		this.given = undefined
		this.#made.clear()
		this.#credential = undefined
	}

	/** A mount is data: it must not lead values and tokens to any host that it likes. */
	#isAllowed(url: string): boolean {
		const { vaultUrl } = this.#options
		if (vaultUrl !== undefined && normalUrl(vaultUrl) === normalUrl(url)) return true
		if (!URL.canParse(url)) return false
		const { protocol, hostname, port } = new URL(url)
		return protocol === 'https:' && port === '' && HOSTS.test(hostname)
	}

	async #make(url: string): Promise<SecretClient> {
		const { options, allowInsecureConnection } = this.#options
		this.#credential ??= this.#makeCredential()
		const [{ SecretClient: Client }, credential] = await Promise.all([
			import('@azure/keyvault-secrets'),
			this.#credential,
		])
		const insecure = allowInsecureConnection ?? options?.allowInsecureConnection
		return new Client(url, credential, {
			...options,
			...(insecure === undefined ? {} : { allowInsecureConnection: insecure }),
		})
	}

	async #makeCredential(): Promise<TokenCredential> {
		if (this.#options.credential !== undefined) return this.#options.credential
		const { DefaultAzureCredential } = await import('@azure/identity')
		return new DefaultAzureCredential()
	}
}
