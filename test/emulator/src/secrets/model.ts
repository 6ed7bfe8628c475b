/** One version of a secret. Times are whole seconds since 1970. */
export interface SecretVersion {
	readonly version: string
	readonly value: string
	readonly contentType?: string
	readonly tags?: Readonly<Record<string, string>>
	readonly enabled: boolean
	readonly notBefore?: number
	readonly expires?: number
	readonly created: number
	readonly updated: number
	/** The secret of a certificate: read-only here. */
	readonly managed?: true
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

/** A change of a version's metadata: absent means unchanged. */
export type SecretPatch = Omit<SecretInput, 'value'>

/**
 * The states of a name. A name that was never used, or whose purge is over, is not there at all.
 * `live` with a `visibleAt` in the future is being recovered; `deleted` with one is being deleted.
 * Moments are milliseconds of the emulator's clock, dates are whole seconds.
 */
type SecretState =
	| { readonly kind: 'live'; readonly visibleAt: number }
	| {
			readonly kind: 'deleted'
			readonly visibleAt: number
			readonly deletedDate: number
			readonly scheduledPurgeDate: number
	  }
	| { readonly kind: 'purging'; readonly freeAt: number }

export interface Secret {
	/** As first written; lookups ignore case. */
	readonly name: string
	state: SecretState
	/** In the order they were made: the last is the current one. */
	readonly versions: SecretVersion[]
}

/** A secret with the version that an answer is about. */
export interface Found {
	readonly name: string
	readonly version: SecretVersion
}

export interface FoundDeleted extends Found {
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
