import type { VaultFault } from '../engine/fault.ts'
import type { ListKnowledge } from '../engine/known.ts'
import type { SecretFacts } from '../engine/probe.ts'

/** One version of a secret with its value. Printing it shows no value. */
export interface VaultSecret {
	version: string
	/** the value; a function so that logging or serialising the object by mistake shows nothing */
	value(): string
	facts: SecretFacts
	/** the server's clock when it answered, milliseconds since the epoch; undefined when it did not say */
	serverTime: number | undefined
	/** monotonic, milliseconds: when the session was answered, whoever is given it later; undefined: nobody says */
	answeredAt?: number | undefined
}

/** What a list told: everything (`complete`), or that it takes more than the allowed pages. */
export type VaultListing =
	/** by name in lower case: names in a vault compare without regard to case */
	| {
			complete: true
			pages: number
			items: ReadonlyMap<string, ListedSecret>
			/** the server's clock when it answered the last page, milliseconds since the epoch; undefined when it did not say */
			serverTime: number | undefined
			/** as of a value */
			answeredAt?: number | undefined
	  }
	| { complete: false; pages: number }

/** An item of a list, under the name as the vault writes it. */
export interface ListedSecret extends SecretFacts {
	objectName: string
}

/** The versions of one secret, by id (as the service lists them): the order says nothing about their age. */
export type VersionListing =
	| { complete: true; versions: readonly VersionFacts[]; answeredAt?: number | undefined }
	/** broken off: more pages than allowed; with those that were read */
	| { complete: false; pages: number }

export interface VersionFacts extends SecretFacts {
	version: string
}

/** First syncs go before refreshes when the budget of a vault is short. */
export type Lane = 'first' | 'refresh'

/** How a question is asked. */
export interface Ask {
	/**
	 * Monotonic milliseconds. The answer to the same question that another binding of the session asked at or after this time
	 * will do, also when it was a fault that the whole session meets.
	 */
	since: number
	lane: Lane
	signal: AbortSignal
	/** is told when the call begins and ends to wait for the budget of the vault: that is no time of the vault */
	waits?: ((isWaiting: boolean) => void) | undefined
	/** keys of the tags that a list keeps; undefined: all. A session fills it in from what its bindings follow */
	tags?: ReadonlySet<string> | undefined
}

/** How many pages a list may cost. Looked at after each page: who joins a list under way may allow more. */
export interface PageLimit {
	readonly pages: number
}

/**
 * Reads one vault with one identity. All methods throw `VaultError`, or `ask.signal.reason` when the caller aborted, or a
 * `KubeError` when the API server gave no token.
 */
export interface VaultReader {
	/** The current version, or the given one. */
	read(objectName: string, version: string | undefined, ask: Ask): Promise<VaultSecret>
	/** All secrets without values, 25 a page; gives up after `limit` pages. */
	list(limit: PageLimit, ask: Ask): Promise<VaultListing>
	/** All versions of one secret without values, 25 a page; gives up after `limit` pages. An unknown name has no versions. */
	versions(objectName: string, limit: PageLimit, ask: Ask): Promise<VersionListing>
	/** Issuer of the ServiceAccount tokens that are exchanged; undefined before the first one. */
	readonly issuer: string | undefined
}

/** What a binding follows, for the session to know what a list would save. */
export interface Demand {
	/** keys of distinct secrets of the vault (`objectKey`), pins left out: a list says nothing of them */
	objects: ReadonlySet<string>
	/** keys of the tags that its selectors name; undefined: all */
	tags?: ReadonlySet<string> | undefined
	/** milliseconds */
	interval: number
}

/** A reader that all bindings of one identity share, and what they know together. */
export interface VaultSession extends VaultReader {
	/** `binding` (`namespace/name`) follows this from now on, in this session and in no other. */
	follow(binding: string, demand: Demand): void
	/** How many distinct secrets the bindings follow that poll at least every `interval` milliseconds. */
	followed(interval: number): number
	/** What lists of this vault were found to cost. */
	readonly lists: ListKnowledge
	/**
	 * The next common time, monotonic, of polls every `interval` milliseconds: after now. Bindings that poll at the same time
	 * share one list. Each session has a phase of its own, so that sessions do not poll in step.
	 */
	nextTick(interval: number): number
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

/** Hands out one session for each vault and identity. */
export interface Vaults {
	/** @throws nothing; whether the vault may be talked to was asked before (`isAllowed`) */
	session(key: SessionKey): VaultSession
	/** `binding` (`namespace/name`) follows nothing any more. */
	leave(binding: string): void
	/** Whether the host of the URL ends in one of the allowed suffixes: tokens go nowhere else. */
	isAllowed(vaultUrl: string): boolean
	/** these suffixes; for messages */
	readonly suffixes?: readonly string[] | undefined
	/** Closes sessions that no binding follows anything in. */
	prune(): void
}
