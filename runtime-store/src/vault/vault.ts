import type { TokenCredential } from '@azure/identity'
import type { KeyVaultSecret, SecretClient, SecretClientOptions } from '@azure/keyvault-secrets'
import { type StoreErrorReason, storeError } from '../errors.ts'
import { reasonOfFault } from './faults.ts'

/** A value as the vault holds it. */
export interface VaultValue {
	readonly value: string
	readonly version: string
	readonly contentType: string | undefined
	readonly tags: Readonly<Record<string, string>>
	readonly expires: Date | undefined
}

/** A call that failed, with what it means; `fault` is the SDK's own error, not for printing. */
export class VaultFault extends Error {
	override name = 'VaultFault'
	readonly reason: StoreErrorReason
	readonly #fault: unknown

	constructor(reason: StoreErrorReason, fault: unknown) {
		super(reason)
		this.reason = reason
		this.#fault = fault
	}

	/** The error of the SDK, in a method so that no printer of objects meets it. */
	fault(): unknown {
		return this.#fault
	}
}

export interface VaultOptions {
	readonly url: string
	readonly credential: TokenCredential | undefined
	readonly clientOptions: SecretClientOptions | undefined
	readonly allowInsecureConnection: boolean | undefined
}

/**
 * Makes a client. The Azure SDK costs about 200 ms and 19 MB (@azure/identity 4.14, @azure/keyvault-secrets 4.12, Node 24), so
 * it is loaded by the first call that needs the vault: a process that only reads files never pays for it.
 */
export async function createClient(options: VaultOptions): Promise<SecretClient> {
	const [{ SecretClient: Client }, credential] = await Promise.all([
		import('@azure/keyvault-secrets'),
		options.credential ?? import('@azure/identity').then(({ DefaultAzureCredential }) => new DefaultAzureCredential()),
	])
	const insecure = options.allowInsecureConnection ?? options.clientOptions?.allowInsecureConnection
	return new Client(options.url, credential, {
		...options.clientOptions,
		...(insecure === undefined ? {} : { allowInsecureConnection: insecure }),
	})
}

function vaultValue(secret: KeyVaultSecret): VaultValue {
	const { version, contentType, tags, expiresOn } = secret.properties
	// Neither is absent in an answer of the service; an injected client may be sparing.
	return { value: secret.value ?? '', version: version ?? '', contentType, tags: tags ?? {}, expires: expiresOn }
}

async function translated<T>(call: () => Promise<T>): Promise<T> {
	try {
		return await call()
	} catch (error) {
		throw new VaultFault(reasonOfFault(error), error)
	}
}

/** The calls of Key Vault that the store makes. Each rejects with a `VaultFault`. */
export class Vault {
	readonly #client: () => Promise<SecretClient>

	constructor(client: () => Promise<SecretClient>) {
		this.#client = client
	}

	/** The current version, or the one named. */
	async get(objectName: string, version?: string): Promise<VaultValue> {
		const client = await this.#client()
		return translated(async () =>
			vaultValue(await client.getSecret(objectName, version === undefined ? {} : { version })),
		)
	}

	/** Writes a new version and answers with its id. */
	async set(
		objectName: string,
		value: string,
		properties: { tags?: Readonly<Record<string, string>>; contentType?: string },
	): Promise<VaultValue> {
		const client = await this.#client()
		return translated(async () => vaultValue(await client.setSecret(objectName, value, properties)))
	}

	/**
	 * Deletes. Resolves when the vault accepted it, or with `wait` when the deleted secret can be seen (2 to 20 s later), from
	 * when on it can be recovered.
	 */
	async remove(objectName: string, wait: boolean): Promise<void> {
		const client = await this.#client()
		await translated(async () => {
			const poller = await client.beginDeleteSecret(objectName)
			if (wait) await poller.pollUntilDone()
		})
	}

	/** Brings a deleted secret back. Resolves when it can be read again. */
	async recover(objectName: string): Promise<void> {
		const client = await this.#client()
		await translated(async () => {
			const poller = await client.beginRecoverDeletedSecret(objectName)
			await poller.pollUntilDone()
		})
	}
}

// 1 to 127 of [0-9a-zA-Z-]: rule of the service for object names.
const OBJECT_NAME = /^[0-9a-zA-Z-]{1,127}$/

/** @throws UnhandledError (400) for a name that the vault cannot have, before a call is made for it */
export function checkObjectName(name: string): string {
	if (!OBJECT_NAME.test(name)) throw storeError('InvalidName')
	return name
}
