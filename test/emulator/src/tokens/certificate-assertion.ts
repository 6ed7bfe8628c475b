// `private_key_jwt`: an assertion the client signed with the key of a certificate it registered.
import { createHash, X509Certificate } from 'node:crypto'
import { decodeProtectedHeader, errors, jwtVerify } from 'jose'
import { entraError } from './codes.ts'
import type { Client } from './directory.ts'

/** Base64url thumbprints that headers name a certificate by: `x5t` SHA-1, `x5t#S256` SHA-256. */
const thumbprints = (certificate: X509Certificate): string[] =>
	['sha1', 'sha256'].map((algorithm) => createHash(algorithm).update(certificate.raw).digest('base64url'))

/** Throws the EntraError when the assertion is not one of this client's. `audiences` are the accepted token endpoints. */
export async function judgeCertificateAssertion(
	client: Client,
	assertion: string,
	audiences: readonly string[],
	now: number,
): Promise<void> {
	const header = decodeProtectedHeader(assertion)
	const named = [header.x5t, header['x5t#S256']].filter((each) => typeof each === 'string')
	const certificate = client.certificates
		.map((pem) => new X509Certificate(pem))
		.find((each) => thumbprints(each).some((thumbprint) => named.includes(thumbprint)))
	if (!certificate) throw entraError(700027)
	try {
		await jwtVerify(assertion, certificate.publicKey, {
			algorithms: ['RS256', 'PS256'],
			audience: [...audiences],
			issuer: client.clientId,
			subject: client.clientId,
			currentDate: new Date(now),
			requiredClaims: ['exp'],
		})
	} catch (error) {
		const isTime =
			error instanceof errors.JWTExpired || (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf')
		throw isTime ? entraError(700024, new Date(now).toISOString(), '(see nbf)', '(see exp)') : entraError(700027)
	}
}
