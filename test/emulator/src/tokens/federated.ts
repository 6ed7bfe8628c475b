// Federated assertions: a token of another identity provider, judged as Entra judges it.
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import type { EmulatorClock } from '../clock.ts'
import type { Client, Directory, FederatedCredential } from './directory.ts'
import { EntraError } from './entra-error.ts'
import { type IssuerKeys, IssuerUnreachable } from './issuers.ts'

const HELP = 'https://learn.microsoft.com/entra/workload-id/workload-identity-federation'
const CHECK =
	'Please check your federated identity credential Subject, Audience and Issuer against the presented assertion.'

const invalidClient = (code: number, message: string): EntraError =>
	new EntraError(401, 'invalid_client', code, message)
const invalidRequest = (code: number, message: string): EntraError =>
	new EntraError(400, 'invalid_request', code, message)

export interface FederatedJudge {
	readonly clock: EmulatorClock
	readonly directory: Directory
	readonly issuers: IssuerKeys
	/** Issuers that are Entra itself: their tokens may not be used here. */
	readonly ownIssuer: (issuer: string) => boolean
}

/**
 * Judges an assertion; resolves when it is a valid one for the client, throws the EntraError otherwise.
 *
 * 1. It is a JWT, signed with RS256.
 * 2. The client has federated credentials at all; one of them has this issuer, subject and audience, compared
 *    exactly: case and trailing slashes count, and there is exactly one audience.
 * 3. The issuer's keys can be had and one has the token's key id.
 * 4. The signature fits, and it is the right time.
 */
export async function judgeAssertion(
	judge: FederatedJudge,
	client: Client,
	assertion: string,
): Promise<FederatedCredential> {
	const { header, payload } = parse(assertion)
	const issuer = typeof payload.iss === 'string' ? payload.iss : ''
	if (judge.ownIssuer(issuer))
		throw invalidRequest(700222, 'AAD-issued tokens may not be used for federated identity flows.')
	const credential = match(client, judge.directory.federated(client), payload, issuer)
	const { kid } = header
	let keys: Awaited<ReturnType<IssuerKeys['keySet']>>
	try {
		keys = await judge.issuers.keySet(issuer, kid)
	} catch (error) {
		if (!(error instanceof IssuerUnreachable)) throw error
		throw invalidRequest(50166, 'Request to External OIDC endpoint failed.')
	}
	if (!keys.has) {
		throw invalidClient(
			7000272,
			`The certificate with identifier ${kid ?? ''} used to sign the federated credential could not be found in the metadata of identity provider ${issuer}.`,
		)
	}
	const now = judge.clock.now()
	try {
		await jwtVerify(assertion, keys.resolve, {
			algorithms: ['RS256'],
			currentDate: new Date(now),
			requiredClaims: ['exp'],
		})
	} catch (error) {
		if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed)
			throw outsideItsTime(payload, now)
		throw invalidClient(700027, 'Client assertion failed signature validation.')
	}
	return credential
}

function parse(assertion: string): { header: { kid?: string }; payload: JWTPayload } {
	try {
		const { kid, alg } = decodeProtectedHeader(assertion)
		const payload = decodeJwt(assertion)
		if (alg !== 'RS256')
			throw invalidRequest(
				5002738,
				`Invalid JWT token. '${String(alg).slice(0, 20)}' is not a supported signature algorithm.`,
			)
		return { header: kid === undefined ? {} : { kid }, payload }
	} catch (error) {
		if (error instanceof EntraError) throw error
		throw invalidRequest(50027, 'JWT token is invalid or malformed.')
	}
}

/** The credential that has issuer, subject and audience of the token, or the code of the first that differs. */
function match(
	client: Client,
	credentials: readonly FederatedCredential[],
	payload: JWTPayload,
	issuer: string,
): FederatedCredential {
	if (credentials.length === 0) {
		throw invalidClient(
			70025,
			`The client '${client.name}'(${client.clientId}) has no configured federated identity credentials.`,
		)
	}
	const none = (code: number, what: string, value: string, rest: string): EntraError =>
		invalidClient(
			code,
			`No matching federated identity record found for presented assertion ${what} '${value}'. ${rest} ${HELP}`,
		)

	const sameIssuer = credentials.filter((each) => each.issuer === issuer)
	if (sameIssuer.length === 0) throw none(700211, 'issuer', issuer, CHECK)
	const subject = payload.sub ?? ''
	const sameSubject = sameIssuer.filter((each) => each.subject === subject)
	if (sameSubject.length === 0) {
		const differsInCase = sameIssuer.some((each) => each.subject.toLowerCase() === subject.toLowerCase())
		const rest =
			'Check your federated identity credential Subject, Audience and Issuer against the presented assertion.'
		if (differsInCase)
			throw none(
				7002138,
				'subject',
				subject,
				`The subject matches only when case is ignored; matching is case-sensitive. ${rest}`,
			)
		throw none(700213, 'subject', subject, rest)
	}
	const audiences = [payload.aud ?? []].flat()
	const found = audiences.length === 1 ? sameSubject.find((each) => each.audience === audiences[0]) : undefined
	if (!found) throw none(700212, 'audience', audiences.join(', '), CHECK)
	return found
}

function outsideItsTime(payload: JWTPayload, now: number): EntraError {
	const shown = (seconds: number | undefined): string =>
		seconds === undefined ? '(none)' : new Date(seconds * 1000).toISOString()
	return invalidClient(
		700024,
		`Client assertion is not within its valid time range. Current time: ${new Date(now).toISOString()}, assertion valid from ${shown(payload.nbf ?? payload.iat)}, expiry time of assertion ${shown(payload.exp)}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .`,
	)
}
