// `POST /{tenant}/oauth2/v2.0/token`: client credentials only.
import { timingSafeEqual } from 'node:crypto'
import { decodeJwt } from 'jose'
import { type Incoming, originOf, type Reply } from '../http/message.ts'
import type { Names } from '../names.ts'
import type { AccessTokens } from './access-tokens.ts'
import { judgeCertificateAssertion } from './certificate-assertion.ts'
import { entraError } from './codes.ts'
import type { Client, Directory } from './directory.ts'
import { type FederatedJudge, judgeAssertion } from './federated.ts'

export interface TokenEndpoint {
	readonly names: Names
	readonly directory: Directory
	readonly tokens: AccessTokens
	readonly judge: FederatedJudge
	/** How long access tokens live, and from when they should be refreshed (absent: no `refresh_in`). Seconds. */
	readonly lifetime: { seconds: number; refreshIn?: number | undefined }
}

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Key Vault in the other clouds: asking for it here is a cross-cloud request. */
const OTHER_CLOUDS = ['https://vault.azure.cn', 'https://vault.usgovcloudapi.net', 'https://vault.microsoftazure.de']

/** The form of a token request; a repeated field keeps its first value. */
export function parseForm(request: Incoming): Map<string, string> {
	const form = new Map<string, string>()
	for (const [key, value] of new URLSearchParams(request.body.toString('utf8')))
		if (!form.has(key)) form.set(key, value)
	return form
}

/**
 * Answers a token request, or throws the EntraError.
 *
 * 1. The tenant (of the path) exists.
 * 2. Grant type, client and scope are given and valid.
 * 3. The client is an application of this tenant.
 * 4. It proves itself: with a federated assertion, a certificate's assertion, or a secret.
 */
export async function requestToken(endpoint: TokenEndpoint, tenantId: string, request: Incoming): Promise<Reply> {
	const form = parseForm(request)
	const { directory } = endpoint
	if (!directory.hasTenant(tenantId)) throw entraError(90002, tenantId)
	const grant = form.get('grant_type')
	if (grant === undefined) throw entraError(900144, 'grant_type')
	if (grant !== 'client_credentials') throw entraError(70003, grant)
	const clientId = form.get('client_id')
	if (!clientId) throw entraError(900144, 'client_id')
	const audience = audienceOf(form.get('scope'), endpoint.names, tenantId)
	const client = directory.client(clientId)
	if (!client || client.tenantId.toLowerCase() !== tenantId.toLowerCase()) throw entraError(700016, clientId, tenantId)
	const appidacr = await authenticate(endpoint, client, form, `${originOf(request)}/${tenantId}`)
	const { seconds, refreshIn } = endpoint.lifetime
	const token = await endpoint.tokens.issue(client, {
		audience,
		lifetimeSeconds: seconds,
		appidacr,
		claims: form.has('claims'),
	})
	return {
		status: 200,
		headers: { 'Cache-Control': 'no-store, no-cache', Pragma: 'no-cache', Expires: '-1' },
		json: {
			token_type: 'Bearer',
			// One less than the token lives: the answer took a moment, as in the service's own answers.
			expires_in: seconds - 1,
			ext_expires_in: seconds - 1,
			...(refreshIn === undefined ? {} : { refresh_in: refreshIn }),
			access_token: token,
		},
	}
}

/** Scopes of OpenID Connect, that mean nothing without a user: MSAL for Go and Java send them with every request. */
const OIDC_SCOPES: ReadonlySet<string> = new Set(['openid', 'profile', 'email', 'offline_access'])

/**
 * The audience that a `scope` asks for.
 *
 * 1. Scopes of OpenID Connect do not count, wherever they stand.
 * 2. Exactly one is left, `<resource>/.default`.
 * 3. The resource is Key Vault's, by name or by application id, or another service's whose tokens a vault refuses.
 *    A slash at its end stays: it becomes part of the audience, as Entra does it.
 */
export function audienceOf(scope: string | undefined, names: Names, tenantId: string): string {
	if (scope === undefined) throw entraError(900144, 'scope')
	const scopes = scope.split(/\s+/).filter((each) => each !== '')
	const [wanted, ...more] = scopes.filter((each) => !OIDC_SCOPES.has(each))
	if (scopes.length === 0 || more.length > 0) throw entraError(70011, scope)
	const suffix = '/.default'
	if (!wanted?.endsWith(suffix)) throw entraError(1002012, wanted ?? scope)
	const resource = wanted.slice(0, -suffix.length)
	const known = resource.replace(/\/$/, '')
	if (names.audiences.includes(known) || names.otherAudiences.includes(known)) return resource
	throw OTHER_CLOUDS.includes(known) ? entraError(900382) : entraError(500011, resource, tenantId)
}

async function authenticate(
	endpoint: TokenEndpoint,
	client: Client,
	form: ReadonlyMap<string, string>,
	authority: string,
): Promise<'1' | '2'> {
	const assertion = form.get('client_assertion')
	const secret = form.get('client_secret')
	if (assertion) {
		if (form.get('client_assertion_type') !== JWT_BEARER) throw entraError(900144, 'client_assertion_type')
		if (issuerOf(assertion) === client.clientId) {
			const audiences = [`${authority}/oauth2/v2.0/token`, `${authority}/v2.0`]
			await judgeCertificateAssertion(client, assertion, audiences, endpoint.judge.clock.now())
		} else await judgeAssertion(endpoint.judge, client, assertion)
		return '2'
	}
	if (!secret) throw entraError(7000218)
	if (!client.secrets.some((each) => equal(each, secret))) throw entraError(7000215, client.clientId)
	return '1'
}

function issuerOf(assertion: string): unknown {
	try {
		return decodeJwt(assertion).iss
	} catch {
		throw entraError(50027)
	}
}

function equal(a: string, b: string): boolean {
	const [left, right] = [Buffer.from(a), Buffer.from(b)]
	return left.length === right.length && timingSafeEqual(left, right)
}
