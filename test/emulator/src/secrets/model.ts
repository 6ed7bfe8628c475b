/** What versions of secrets, keys and certificates have in common. Times are whole seconds since 1970. */
export interface ObjectVersion {
	readonly version: string
	readonly tags?: Readonly<Record<string, string>>
	readonly enabled: boolean
	readonly notBefore?: number
	readonly expires?: number
	readonly created: number
	readonly updated: number
	/** It belongs to a certificate: read-only by itself. */
	readonly managed?: true
}

/** One version of a secret. */
export interface SecretVersion extends ObjectVersion {
	readonly value: string
	readonly contentType?: string
	/** The certificate as PEM, for `outContentType`. */
	readonly pem?: string
	readonly previousVersion?: string
}

/** What a write may give; everything but the value is optional. */
export interface SecretInput {
	readonly value: string
	readonly contentType?: string | undefined
	readonly tags?: Readonly<Record<string, string>> | undefined
	readonly enabled?: boolean | undefined
	readonly notBefore?: number | undefined
	readonly expires?: number | undefined
}

/** A change of what all objects have: absent means unchanged. */
export type ObjectPatch = Pick<SecretInput, 'tags' | 'enabled' | 'notBefore' | 'expires'>

/** A change of a version's metadata: absent means unchanged. */
export type SecretPatch = Omit<SecretInput, 'value'>

/**
 * The states of a name. A name that was never used, or whose purge is over, is not there at all.
 * `live` with a `visibleAt` in the future is being recovered; `deleted` with one is being deleted.
 * Moments are milliseconds of the emulator's clock, dates are whole seconds.
 */
type ObjectState =
	| { readonly kind: 'live'; readonly visibleAt: number }
	| {
			readonly kind: 'deleted'
			readonly visibleAt: number
			readonly deletedDate: number
			readonly scheduledPurgeDate: number
	  }
	| { readonly kind: 'purging'; readonly freeAt: number }

/** An object of a vault: a secret, a key, a certificate. */
export interface Stored<V extends ObjectVersion> {
	/** As first written; lookups ignore case. */
	readonly name: string
	state: ObjectState
	/** In the order they were made: the last is the current one. */
	readonly versions: V[]
}

export type Secret = Stored<SecretVersion>

/** An object with the version that an answer is about. */
export interface Found<V extends ObjectVersion = SecretVersion> {
	readonly name: string
	readonly version: V
}

export interface FoundDeleted<V extends ObjectVersion = SecretVersion> extends Found<V> {
	readonly deletedDate: number
	readonly scheduledPurgeDate: number
}

export interface Page<T> {
	readonly items: readonly T[]
	/** Key of the last item; absent on an empty page. */
	readonly last?: string
	/** There is at least one item behind the last one. */
	readonly more: boolean
}
