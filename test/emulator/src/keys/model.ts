import type { ObjectVersion } from '../secrets/model.ts'

/** The public half of a key, in JWK's names. */
export interface PublicJwk {
	readonly kty: string
	readonly n?: string
	readonly e?: string
	readonly crv?: string
	readonly x?: string
	readonly y?: string
}

/** One version of a key: only the public half is kept, for the emulator computes nothing with keys. */
export interface KeyVersion extends ObjectVersion {
	readonly jwk: PublicJwk
	readonly operations: readonly string[]
	readonly exportable?: boolean
}
