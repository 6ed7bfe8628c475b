import { type Incoming, originOf } from '../http/message.ts'

/** `/{tenant}/v2.0/.well-known/openid-configuration`: the issuer has the authority's own origin, as MSAL demands of unknown hosts. */
export function openidConfiguration(request: Incoming, tenantId: string): object {
	const base = `${originOf(request)}/${tenantId}`
	return {
		token_endpoint: `${base}/oauth2/v2.0/token`,
		token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
		jwks_uri: `${base}/discovery/v2.0/keys`,
		response_modes_supported: ['query', 'fragment', 'form_post'],
		subject_types_supported: ['pairwise'],
		id_token_signing_alg_values_supported: ['RS256'],
		response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
		scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
		issuer: `${base}/v2.0`,
		authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
		tenant_region_scope: null,
		cloud_instance_name: request.host.replace(/^login\./, ''),
	}
}

/** `/common/discovery/instance`: the hosts that are one cloud. */
export function instanceDiscovery(request: Incoming, tenantId: string, hosts: readonly string[]): object {
	return {
		tenant_discovery_endpoint: `${originOf(request)}/${tenantId}/v2.0/.well-known/openid-configuration`,
		'api-version': '1.1',
		metadata: [{ preferred_network: hosts[0], preferred_cache: hosts[0], aliases: hosts }],
	}
}
