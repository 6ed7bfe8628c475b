import type { ObjectVersion } from '../secrets/model.ts'

/** How a certificate is made: what of a policy counts here, all of it optional in a request. */
export interface CertificatePolicy {
	readonly kty: string
	readonly keySize?: number
	readonly curve?: string
	readonly reuseKey: boolean
	readonly exportable: boolean
	readonly contentType: string
	readonly subject: string
	readonly dnsNames: readonly string[]
	/** Extended key usages, by id. */
	readonly ekus: readonly string[]
	readonly keyUsage: readonly string[]
	readonly validityMonths: number
	/** `Self`, or `Unknown` for one that was imported. */
	readonly issuer: string
	/** As it was sent: nothing here acts on it. */
	readonly lifetimeActions: readonly unknown[]
}

/** One version of a certificate; its key and its secret have the same name and version. */
export interface CertificateVersion extends ObjectVersion {
	/** Base64 of the DER. */
	readonly cer: string
	readonly policy: CertificatePolicy
	/** PEM, for a renewal with the same key. Never shown. */
	readonly privateKey: string
	/** Base64 certificate request of one that was created; absent for an imported one. */
	readonly request?: string
}
