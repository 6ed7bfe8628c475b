// The AADSTS codes the emulator knows: status, OAuth error and text of each. `{0}`, `{1}`, … are filled in.
import { EntraError } from './entra-error.ts'

type OAuthError =
	| 'invalid_client'
	| 'invalid_request'
	| 'invalid_scope'
	| 'invalid_resource'
	| 'invalid_tenant'
	| 'unauthorized_client'
	| 'unsupported_grant_type'
	| 'temporarily_unavailable'

/** The codes of this table. */
export type EntraCode =
	| 50027
	| 50166
	| 50196
	| 70003
	| 70011
	| 70021
	| 70025
	| 90002
	| 90033
	| 90061
	| 500011
	| 501661
	| 700016
	| 700024
	| 700027
	| 700211
	| 700212
	| 700213
	| 700222
	| 900144
	| 900382
	| 900561
	| 1002012
	| 5002738
	| 7000215
	| 7000218
	| 7000272
	| 7002138

const CHECK =
	'Please check your federated identity credential Subject, Audience and Issuer against the presented assertion.'
const HELP = 'https://learn.microsoft.com/entra/workload-id/workload-identity-federation'
const NO_MATCH = 'No matching federated identity record found for presented assertion'

const CODES: Readonly<Record<EntraCode, readonly [status: number, error: OAuthError, text: string]>> = {
	50027: [400, 'invalid_request', 'JWT token is invalid or malformed.'],
	50166: [400, 'invalid_request', 'Request to External OIDC endpoint failed.'],
	50196: [
		429,
		'temporarily_unavailable',
		'The server terminated an operation because it encountered a client request loop. Please contact your app vendor.',
	],
	70003: [400, 'unsupported_grant_type', "The app requested an unsupported grant type '{0}'."],
	70011: [
		400,
		'invalid_scope',
		"The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {0} is not valid.",
	],
	70021: [
		400,
		'invalid_request',
		`No matching federated identity record found for presented assertion. Assertion Issuer: '{0}'. Assertion Subject: '{1}'. Assertion Audience: '{2}'. ${HELP}`,
	],
	70025: [401, 'invalid_client', "The client '{0}'({1}) has no configured federated identity credentials."],
	90002: [
		400,
		'invalid_request',
		"Tenant '{0}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.",
	],
	90033: [503, 'temporarily_unavailable', 'A transient error has occurred. Please try again.'],
	90061: [400, 'invalid_request', 'Request to External OIDC endpoint failed.'],
	500011: [
		400,
		'invalid_resource',
		'The resource principal named {0} was not found in the tenant named {1}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.',
	],
	501661: [400, 'invalid_request', 'Request to External OIDC endpoint failed.'],
	700016: [
		400,
		'unauthorized_client',
		"Application with identifier '{0}' was not found in the directory '{1}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
	],
	700024: [
		401,
		'invalid_client',
		'Client assertion is not within its valid time range. Current time: {0}, assertion valid from {1}, expiry time of assertion {2}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .',
	],
	700027: [401, 'invalid_client', 'Client assertion failed signature validation.'],
	700211: [401, 'invalid_client', `${NO_MATCH} issuer '{0}'. ${CHECK} ${HELP}`],
	700212: [401, 'invalid_client', `${NO_MATCH} audience '{0}'. ${CHECK} ${HELP}`],
	700213: [
		401,
		'invalid_client',
		`${NO_MATCH} subject '{0}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. ${HELP}`,
	],
	700222: [400, 'invalid_request', 'AAD-issued tokens may not be used for federated identity flows.'],
	900144: [400, 'invalid_request', "The request body must contain the following parameter: '{0}'."],
	900382: [400, 'invalid_request', 'Confidential Client is not supported in Cross Cloud request.'],
	900561: [400, 'invalid_request', 'The endpoint only accepts {0} requests. Received a {1} request.'],
	1002012: [
		400,
		'invalid_scope',
		'The provided value for scope {0} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).',
	],
	5002738: [400, 'invalid_request', "Invalid JWT token. '{0}' is not a supported signature algorithm."],
	7000215: [
		401,
		'invalid_client',
		"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{0}'.",
	],
	7000218: [
		401,
		'invalid_client',
		"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
	],
	7000272: [
		401,
		'invalid_client',
		'The certificate with identifier {0} used to sign the federated credential could not be found in the metadata of identity provider {1}.',
	],
	7002138: [
		401,
		'invalid_client',
		`${NO_MATCH} subject '{0}'. The subject matches only when case is ignored; matching is case-sensitive. ${HELP}`,
	],
}

export const isEntraCode = (code: number): code is EntraCode => Object.hasOwn(CODES, code)

/** Bounded and printable: fills of a text are the caller's own words. */
const shown = (text: string): string => text.slice(0, 300).replace(/[^\x20-\x7e]/g, '?')

/** The error of a code with its text filled in. */
export function entraError(code: EntraCode, ...fills: readonly string[]): EntraError {
	const [status, error, text] = CODES[code]
	const message = text.replace(/\{(\d)\}/g, (_match, index: string) => shown(fills[Number(index)] ?? ''))
	return new EntraError(status, error, code, message)
}
