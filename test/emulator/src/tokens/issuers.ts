// Keys of the identity providers that federated tokens come from.
import { createLocalJWKSet, type JSONWebKeySet, type JWK, type JWTVerifyGetKey } from 'jose'
import type { EmulatorClock } from '../clock.ts'

/** Fetches a JSON document; rejects when it cannot. */
type FetchJson = () => Promise<unknown>

/** Where an issuer's keys come from: given, or fetched (again when a key id is not among them). */
export type KeySource = { readonly keys: JSONWebKeySet } | { readonly fetch: FetchJson }

/** A fetched key set is used this long; then it is fetched again, and the old one goes when that fails. */
const MAX_AGE_MS = 5 * 60_000
/** An unknown key id causes at most one fetch in this time. */
const COOLDOWN_MS = 5_000

interface Entry {
	readonly source: KeySource
	keys?: JSONWebKeySet
	fetchedAt: number
	pending?: Promise<JSONWebKeySet>
}

/** The document could not be had. */
export class IssuerUnreachable extends Error {}

export class IssuerKeys {
	readonly #clock: EmulatorClock
	readonly #issuers = new Map<string, Entry>()

	constructor(clock: EmulatorClock) {
		this.#clock = clock
	}

	/** Trusts an issuer, or replaces its keys. The issuer is compared exactly, trailing slash included. */
	trust(issuer: string, source: KeySource): void {
		this.#issuers.set(issuer, { source, fetchedAt: Number.NEGATIVE_INFINITY })
	}

	knows(issuer: string): boolean {
		return this.#issuers.has(issuer)
	}

	issuers(): string[] {
		return [...this.#issuers.keys()]
	}

	/** The key set of an issuer that has the key id, freshly fetched when it must be. */
	async keySet(issuer: string, kid: string | undefined): Promise<{ resolve: JWTVerifyGetKey; has: boolean }> {
		const entry = this.#issuers.get(issuer)
		if (!entry) throw new IssuerUnreachable(`issuer ${issuer} is not known to the emulator`)
		let set = await this.#keys(entry, MAX_AGE_MS)
		if (!has(set, kid)) set = await this.#keys(entry, COOLDOWN_MS)
		return { resolve: createLocalJWKSet(set), has: has(set, kid) }
	}

	clear(): void {
		this.#issuers.clear()
	}

	async #keys(entry: Entry, maxAgeMs: number): Promise<JSONWebKeySet> {
		const { source } = entry
		if ('keys' in source) return source.keys
		if (entry.keys && this.#clock.now() - entry.fetchedAt < maxAgeMs) return entry.keys
		entry.pending ??= source
			.fetch()
			.then((document) => {
				entry.keys = parseKeySet(document)
				entry.fetchedAt = this.#clock.now()
				return entry.keys
			})
			.catch((error: unknown) => {
				throw new IssuerUnreachable('the key set of the issuer could not be fetched', { cause: error })
			})
			.finally(() => {
				delete entry.pending
			})
		return entry.pending
	}
}

const has = (set: JSONWebKeySet, kid: string | undefined): boolean =>
	kid === undefined ? set.keys.length === 1 : set.keys.some((key) => key.kid === kid)

/** A JWKS document; throws for anything else. */
export function parseKeySet(document: unknown): JSONWebKeySet {
	const keys = (document as { keys?: unknown } | null)?.keys
	if (!Array.isArray(keys) || keys.some((key) => typeof (key as JWK | null)?.kty !== 'string'))
		throw new Error('this is not a JSON Web Key Set')
	return { keys: keys as JWK[] }
}
