// Federated assertions: a token of another identity provider, judged as Entra judges it.
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import type { EmulatorClock } from '../clock.ts'
import { entraError } from './codes.ts'
import type { Client, Directory, FederatedCredential } from './directory.ts'
import { EntraError } from './entra-error.ts'
import { type IssuerKeys, IssuerUnreachable } from './issuers.ts'

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
	if (judge.ownIssuer(issuer)) throw entraError(700222)
	const credential = match(judge, client, payload, issuer)
	const { kid } = header
	let keys: Awaited<ReturnType<IssuerKeys['keySet']>>
	try {
		keys = await judge.issuers.keySet(issuer, kid)
	} catch (error) {
		if (!(error instanceof IssuerUnreachable)) throw error
		throw entraError(50166)
	}
	if (!keys.has) throw entraError(7000272, kid ?? '', issuer)
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
		throw entraError(700027)
	}
	return credential
}

function parse(assertion: string): { header: { kid?: string }; payload: JWTPayload } {
	try {
		const { kid, alg } = decodeProtectedHeader(assertion)
		const payload = decodeJwt(assertion)
		if (alg !== 'RS256') throw entraError(5002738, String(alg))
		return { header: kid === undefined ? {} : { kid }, payload }
	} catch (error) {
		if (error instanceof EntraError) throw error
		throw entraError(50027)
	}
}

/** The credential that has issuer, subject and audience of the token, or the code of the first that differs. */
function match(judge: FederatedJudge, client: Client, payload: JWTPayload, issuer: string): FederatedCredential {
	const audiences = [payload.aud ?? []].flat()
	// Nobody has checked the types of claims so far.
	const subject = typeof payload.sub === 'string' ? payload.sub : ''
	const exact = (each: FederatedCredential): boolean =>
		each.issuer === issuer && each.subject === subject && audiences.length === 1 && each.audience === audiences[0]
	const credentials = judge.directory.federated(client)
	const found = credentials.find(exact)
	if (found) return found
	// While a new credential propagates, the older combined text is what people see.
	if ([...client.federated.values()].some(exact)) throw entraError(70021, issuer, subject, audiences.join(', '))
	if (credentials.length === 0) throw entraError(70025, client.name, client.clientId)
	const sameIssuer = credentials.filter((each) => each.issuer === issuer)
	if (sameIssuer.length === 0) throw entraError(700211, issuer)
	if (sameIssuer.some((each) => each.subject === subject)) throw entraError(700212, audiences.join(', '))
	const differsInCase = sameIssuer.some((each) => each.subject.toLowerCase() === subject.toLowerCase())
	throw entraError(differsInCase ? 7002138 : 700213, subject)
}

function outsideItsTime(payload: JWTPayload, now: number): EntraError {
	const shown = (seconds: unknown): string => {
		const time = new Date(typeof seconds === 'number' ? seconds * 1000 : Number.NaN)
		return Number.isNaN(time.getTime()) ? '(none)' : time.toISOString()
	}
	return entraError(700024, new Date(now).toISOString(), shown(payload.nbf ?? payload.iat), shown(payload.exp))
}
