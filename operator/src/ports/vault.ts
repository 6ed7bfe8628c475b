import type { VaultFault } from '../plan/fault.ts'
import type { SecretFacts } from '../plan/probe.ts'

/** One version of a secret with its value. Printing it shows no value. */
export interface VaultSecret {
	version: string
	/** the value; a function so that logging or serialising the object by mistake shows nothing */
	value(): string
	facts: SecretFacts
	/** the server's clock when it answered, milliseconds since the epoch; undefined when it did not say */
	serverTime: number | undefined
}

/** What a list told: everything (`complete`), or that it takes more than the allowed pages. */
export type VaultListing =
	/** by name in lower case: names in a vault compare without regard to case */
	{ complete: true; pages: number; items: Map<string, SecretFacts> } | { complete: false; pages: number }

/** Reads one vault with one identity. All methods throw `VaultError`, or `signal.reason` when the caller aborted. */
export interface VaultReader {
	/** The current version, or the given one. */
	read(objectName: string, version: string | undefined, signal: AbortSignal): Promise<VaultSecret>
	/** All secrets without values, 25 a page; gives up after `maxPages`. */
	list(maxPages: number, signal: AbortSignal): Promise<VaultListing>
	/** Issuer of the ServiceAccount tokens that are exchanged; undefined before the first one. */
	readonly issuer: string | undefined
}

/** A failed call to the vault or to Entra, reduced to what calls for different reactions. Carries no text of theirs. */
export class VaultError extends Error {
	override readonly name = 'VaultError'
	readonly fault: VaultFault

	constructor(fault: VaultFault) {
		super(`vault call failed: ${fault.kind}${'code' in fault ? ` AADSTS${fault.code}` : ''}`)
		this.fault = fault
	}
}

/** What tells sessions apart: nothing read with one identity is ever served to another. */
export interface SessionKey {
	vaultUrl: string
	tenantId: string
	clientId: string
	audience: string
	namespace: string
	serviceAccount: string
	/** UID: a ServiceAccount that was deleted and made anew is another identity */
	serviceAccountUid: string
}

/** Hands out one reader for each vault and identity. */
export interface Vaults {
	/** @throws nothing; whether the vault may be talked to was asked before (`isAllowed`) */
	reader(key: SessionKey): VaultReader
	/** Whether the host of the URL ends in one of the allowed suffixes: tokens go nowhere else. */
	isAllowed(vaultUrl: string): boolean
	/** Forgets sessions that nobody has used for a while. */
	prune(): void
}
