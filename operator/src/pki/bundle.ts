import type { KeyObject, X509Certificate } from 'node:crypto'
import type { CertificateRule } from '../engine/form.ts'

/** Certificates and private keys as they lie in a value, in no order. */
export interface Bundle {
	certificates: X509Certificate[]
	keys: KeyObject[]
}

/** The value breaks a rule. Carries the rule and nothing of the value. */
export class BrokenCertificate extends Error {
	override readonly name = 'BrokenCertificate'
	readonly rule: CertificateRule

	constructor(rule: CertificateRule) {
		super(`the certificate cannot be used: ${rule}`)
		this.rule = rule
	}
}
