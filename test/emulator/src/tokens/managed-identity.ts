// The instance metadata endpoint of a machine with a managed identity, over plain HTTP.
import type { IncomingHttpHeaders } from 'node:http'
import type { EmulatorClock } from '../clock.ts'
import type { Reply } from '../http/message.ts'
import type { Names } from '../names.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { Client, Directory } from './directory.ts'

export const MANAGED_IDENTITY_PATH = '/metadata/identity/oauth2/token'

export interface ManagedIdentity {
	readonly clock: EmulatorClock
	readonly names: Names
	readonly directory: Directory
	readonly tokens: AccessTokens
	readonly lifetimeSeconds: number
}

const refused = (status: number, error: string, description: string): Reply => ({
	status,
	json: { error, error_description: description },
})

/**
 * A token for one of the machine's identities.
 *
 * 1. The header `Metadata: true` proves that no proxy was tricked into asking.
 * 2. `resource` is Key Vault or another service that there are tokens for; a trailing slash is the caller's mistake, and stays one: it becomes the audience.
 * 3. `client_id` names the identity; without it there must be exactly one.
 */
export async function managedIdentityToken(
	endpoint: ManagedIdentity,
	query: ReadonlyMap<string, string>,
	headers: IncomingHttpHeaders,
): Promise<{ reply: Reply; client?: Client }> {
	if (headers['metadata'] !== 'true')
		return { reply: refused(400, 'invalid_request', 'Required metadata header not specified') }
	const resource = query.get('resource')
	if (!resource) return { reply: refused(400, 'invalid_request', 'Required audience parameter not specified') }
	const { audiences, otherAudiences } = endpoint.names
	if (![...audiences, ...otherAudiences].includes(resource.replace(/\/$/, ''))) {
		return {
			reply: refused(400, 'invalid_resource', 'AADSTS500011: The resource principal was not found in the tenant.'),
		}
	}
	const identities = endpoint.directory.clients().filter((client) => client.managedIdentity)
	const wanted = query.get('client_id')?.toLowerCase()
	const fitting =
		wanted === undefined ? identities : identities.filter((client) => client.clientId.toLowerCase() === wanted)
	const [client] = fitting
	if (!client) return { reply: refused(400, 'invalid_request', 'Identity not found') }
	if (fitting.length > 1) {
		return {
			reply: refused(
				400,
				'invalid_request',
				'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request',
			),
		}
	}
	const { lifetimeSeconds, clock, tokens } = endpoint
	const now = clock.seconds()
	const token = await tokens.issue(client, { audience: resource, lifetimeSeconds, appidacr: '2' })
	return {
		client,
		reply: {
			status: 200,
			json: {
				access_token: token,
				client_id: client.clientId,
				expires_in: String(lifetimeSeconds),
				expires_on: String(now + lifetimeSeconds),
				ext_expires_in: String(lifetimeSeconds),
				not_before: String(now),
				resource,
				token_type: 'Bearer',
			},
		},
	}
}
