// `POST /{tenant}/oauth2/v2.0/token`: client credentials only.
import { timingSafeEqual } from 'node:crypto'
import type { Incoming, Reply } from '../http/message.ts'
import type { Names } from '../names.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { Client, Directory } from './directory.ts'
import { EntraError } from './entra-error.ts'
import { type FederatedJudge, judgeAssertion } from './federated.ts'

export interface TokenEndpoint {
	readonly names: Names
	readonly directory: Directory
	readonly tokens: AccessTokens
	readonly judge: FederatedJudge
	/** How long access tokens live, and from when they should be refreshed (absent: no `refresh_in`). Seconds. */
	readonly lifetime: { seconds: number; refreshIn?: number | undefined }
}

export const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const invalidRequest = (code: number, message: string): EntraError =>
	new EntraError(400, 'invalid_request', code, message)

/** The form of a token request; a repeated field keeps its first value. */
export function parseForm(request: Incoming): Map<string, string> {
	const form = new Map<string, string>()
	for (const [key, value] of new URLSearchParams(request.body.toString('utf8')))
		if (!form.has(key)) form.set(key, value)
	return form
}

/** Answers a token request, or throws the EntraError. `tenantId` is from the path. */
export async function requestToken(
	endpoint: TokenEndpoint,
	tenantId: string,
	form: ReadonlyMap<string, string>,
): Promise<Reply> {
	const { directory } = endpoint
	if (!directory.hasTenant(tenantId)) {
		throw invalidRequest(
			90002,
			`Tenant '${shown(tenantId)}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
		)
	}
	const grant = form.get('grant_type')
	if (grant === undefined)
		throw invalidRequest(900144, "The request body must contain the following parameter: 'grant_type'.")
	if (grant !== 'client_credentials') {
		throw new EntraError(
			400,
			'unsupported_grant_type',
			70003,
			`The app requested an unsupported grant type '${shown(grant)}'.`,
		)
	}
	const clientId = form.get('client_id')
	if (!clientId) throw invalidRequest(900144, "The request body must contain the following parameter: 'client_id'.")
	const audience = audienceOf(form.get('scope'), endpoint.names)
	const client = directory.client(clientId)
	if (!client || client.tenantId.toLowerCase() !== tenantId.toLowerCase()) {
		throw new EntraError(
			400,
			'unauthorized_client',
			700016,
			`Application with identifier '${shown(clientId)}' was not found in the directory '${shown(tenantId)}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
		)
	}
	const appidacr = await authenticate(endpoint, client, form)
	const { seconds, refreshIn } = endpoint.lifetime
	const token = await endpoint.tokens.issue(client, {
		audience,
		lifetimeSeconds: seconds,
		appidacr,
		claims: form.has('claims'),
	})
	return {
		status: 200,
		headers: { 'Cache-Control': 'no-store, no-cache', Pragma: 'no-cache' },
		json: {
			token_type: 'Bearer',
			expires_in: seconds - 1,
			ext_expires_in: seconds - 1,
			...(refreshIn === undefined ? {} : { refresh_in: refreshIn }),
			access_token: token,
		},
	}
}

/** `<resource>/.default`, where the resource is Key Vault's by name or by application id. */
function audienceOf(scope: string | undefined, names: Names): string {
	if (scope === undefined || scope === '')
		throw invalidRequest(900144, "The request body must contain the following parameter: 'scope'.")
	const suffix = '/.default'
	if (!scope.endsWith(suffix)) {
		throw new EntraError(
			400,
			'invalid_scope',
			1002012,
			`The provided value for scope ${shown(scope)} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
		)
	}
	const resource = scope.slice(0, -suffix.length)
	if (!names.audiences.includes(resource)) {
		throw new EntraError(
			400,
			'invalid_resource',
			500011,
			`The resource principal named ${shown(resource)} was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.`,
		)
	}
	return resource
}

async function authenticate(
	endpoint: TokenEndpoint,
	client: Client,
	form: ReadonlyMap<string, string>,
): Promise<'1' | '2'> {
	const assertion = form.get('client_assertion')
	const secret = form.get('client_secret')
	if (assertion) {
		const type = form.get('client_assertion_type')
		if (type !== JWT_BEARER)
			throw invalidRequest(900144, "The request body must contain the following parameter: 'client_assertion_type'.")
		await judgeAssertion(endpoint.judge, client, assertion)
		return '2'
	}
	if (secret) {
		if (!client.secrets.some((each) => equal(each, secret))) {
			throw new EntraError(
				401,
				'invalid_client',
				7000215,
				`Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${client.clientId}'.`,
			)
		}
		return '1'
	}
	throw new EntraError(
		401,
		'invalid_client',
		7000218,
		"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
	)
}

function equal(a: string, b: string): boolean {
	const [left, right] = [Buffer.from(a), Buffer.from(b)]
	return left.length === right.length && timingSafeEqual(left, right)
}

/** Bounded, printable: this goes into an answer. */
const shown = (text: string): string => text.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')
