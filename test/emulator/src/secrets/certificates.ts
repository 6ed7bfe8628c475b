// Secrets that belong to a certificate. The emulator has no certificate routes; the control API makes them.
import { createCertificate, createKeyPair } from '../tls/certificate.ts'
import { createPfx } from '../tls/pkcs12.ts'

export const PFX = 'application/x-pkcs12'
export const PEM = 'application/x-pem-file'

export interface CertificateValue {
	/** Base64 PKCS#12 without a password, or PEM with key and chain, as the content type says. */
	readonly value: string
	readonly contentType: string
	/** The same as PEM: what `outContentType` asks for. */
	readonly pem: string
	/** Of the certificate, whole seconds. */
	readonly notBefore: number
	readonly expires: number
}

/** A self-signed certificate of a year, as the value of its secret. */
export function createCertificateValue(subject: string, contentType: string, now: number): CertificateValue {
	const keys = createKeyPair()
	// Whole seconds, as the certificate has them.
	const notBefore = Math.floor(now / 1000)
	const expires = notBefore + 365 * 86_400
	const certificate = createCertificate({
		subject,
		issuer: subject,
		publicKey: keys.publicKey,
		signer: keys,
		notBefore: new Date(notBefore * 1000),
		notAfter: new Date(expires * 1000),
		use: { kind: 'server', names: [subject] },
	})
	const pem = `${keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string}${certificate}`
	const value = contentType === PFX ? createPfx(certificate, keys.privateKey).toString('base64') : pem
	return { value, contentType, pem, notBefore, expires }
}
