import { type StoreErrorReason, storeError } from '../errors.ts'

/** A value as the vault holds it. */
export interface VaultValue {
	readonly value: string
	readonly version: string
	readonly contentType: string | undefined
	readonly tags: Readonly<Record<string, string>>
	readonly created: Date | undefined
	readonly updated: Date | undefined
	readonly notBefore: Date | undefined
	readonly expires: Date | undefined
}

/** What is written besides the value. */
export interface WriteProperties {
	readonly tags?: Readonly<Record<string, string>>
	readonly contentType?: string
}

/** One secret of one vault; `vault` is undefined for the configured one. */
export interface SecretAddress {
	readonly vault: string | undefined
	readonly objectName: string
}

/** A URL in the one form that is compared: a vault has no path and no case. */
export const normalUrl = (url: string): string => (URL.canParse(url) ? new URL(url).origin : url.toLowerCase())

/** A key for maps: neither URLs nor vault names have case. */
export const addressKey = ({ vault, objectName }: SecretAddress): string =>
	`${normalUrl(vault ?? '')} ${objectName.toLowerCase()}`

/** True for one secret. A vault that is not said is the configured one, which a mount may be of too. */
export const sameAddress = (a: SecretAddress, b: SecretAddress): boolean =>
	a.objectName.toLowerCase() === b.objectName.toLowerCase() &&
	(a.vault === undefined || b.vault === undefined || normalUrl(a.vault) === normalUrl(b.vault))

/** A call that failed, with what it means. */
export class VaultFault extends Error {
	override name = 'VaultFault'
	readonly reason: StoreErrorReason
	readonly #fault: unknown

	constructor(reason: StoreErrorReason, fault: unknown) {
		super(reason)
		this.reason = reason
		this.#fault = fault
	}

	/** The error of the SDK; behind a method so that no printer of objects meets it. */
	fault(): unknown {
		return this.#fault
	}
}

/** The calls of Key Vault that the store makes. Each rejects with a `VaultFault`. */
export interface Vault {
	/** The current version, or the one named. */
	get(address: SecretAddress, version?: string): Promise<VaultValue>
	/** Writes a new version and answers with it. */
	set(address: SecretAddress, value: string, properties: WriteProperties): Promise<VaultValue>
	/** Deletes; resolves when accepted, or with `wait` when the name can be recovered (2 to 20 s later). */
	remove(address: SecretAddress, wait: boolean): Promise<void>
	/** Brings a deleted secret back; resolves when it can be read again. */
	recover(address: SecretAddress): Promise<void>
}

// 1 to 127 of [0-9a-zA-Z-]: rule of the service for object names.
const OBJECT_NAME = /^[0-9a-zA-Z-]{1,127}$/

/** @throws UnhandledError (400) for a name that the vault cannot have, before a call is made for it */
export function checkObjectName(name: string): string {
	if (!OBJECT_NAME.test(name)) throw storeError('InvalidName')
	return name
}
