import { X509Certificate } from 'node:crypto'
import { POLICY_PERMISSIONS } from '../access/book.ts'
import { vaultResourceId } from '../secrets/plane.ts'
import type { EmulatorState } from '../state.ts'
import { MAX_FEDERATED } from '../tokens/directory.ts'
import { fetchJson } from '../tokens/fetch-json.ts'
import { type KeySource, parseKeySet } from '../tokens/issuers.ts'
import { parseAz } from './az.ts'
import type { Lookup } from './lookup.ts'
import {
	ControlError,
	type FederatedCredentialInput,
	type Grant,
	type IdentityControl,
	type TrustIssuer,
} from './types.ts'

/** Identity providers, clients with their credentials, and what they may do. */
export function identityOperations(state: EmulatorState, lookup: Lookup): IdentityControl {
	const { access, directory, issuers, random, settings, tokens } = state
	const { client, role, vault, hosted } = lookup

	const grant = ({ clientId, role: name, vault: vaultName, secret }: Grant): void => {
		access.grant({ clientId: client(clientId).clientId, role: role(name), vault: vault(vaultName).name, secret })
	}
	const setPolicy = (vaultName: string, clientId: string, permissions: readonly string[]): void => {
		const unknown = permissions.find((each) => !POLICY_PERMISSIONS.includes(each))
		if (unknown !== undefined) throw new ControlError(`there is no permission ${unknown}`)
		access.setPolicy(vault(vaultName).name, client(clientId).clientId, permissions)
	}
	const federate = ({ clientId, name, issuer, subject, audience }: FederatedCredentialInput): void => {
		const of = client(clientId)
		if (!of.federated.has(name) && of.federated.size >= MAX_FEDERATED) {
			throw new ControlError(`a client has at most ${MAX_FEDERATED} federated credentials`)
		}
		directory.putFederated(of, { name, issuer, subject, audience })
	}

	return {
		trustIssuer: async (input) => {
			issuers.trust(input.issuer, keySource(input))
			state.trusted.set(input.issuer, input)
		},
		addClient: async ({ clientId, tenantId = settings.tenantId, name, resourceGroup = 'emulator', ...credentials }) => {
			const { clientSecret, certificatePem, managedIdentity = false } = credentials
			directory.putClient({
				clientId,
				tenantId,
				name: name ?? clientId,
				resourceGroup,
				objectId: directory.client(clientId)?.objectId ?? random.uuid(),
				secrets: clientSecret === undefined ? [] : [clientSecret],
				certificates: certificatePem === undefined ? [] : [checkPem(certificatePem)],
				managedIdentity,
			})
		},
		addFederatedCredential: async (input) => federate(input),
		removeFederatedCredential: async ({ clientId, name }) => {
			if (!client(clientId).federated.delete(name)) {
				throw new ControlError(`client ${clientId} has no federated credential ${name}`)
			}
		},
		revokeTokens: async ({ clientId }) => {
			client(clientId).generation += 1
		},
		rotateKeys: async ({ forgetOld = false } = {}) => tokens.rotate({ forgetOld }),

		grant: async (input) => grant(input),
		revoke: async ({ clientId, role: name, vault: vaultName, secret }) => {
			const assignment = { clientId: client(clientId).clientId, role: role(name), vault: vault(vaultName).name, secret }
			if (!access.revoke(assignment))
				throw new ControlError(`client ${clientId} has no such role assignment`, 'AssignmentNotFound')
		},
		defineRole: async (input) => {
			access.defineRole(input)
		},
		setPolicy: async ({ vault: name, clientId, secretPermissions, keyPermissions, certificatePermissions }) => {
			const of = (area: string, permissions: readonly string[] = []): string[] =>
				permissions.map((each) => `${area}/${each}`)
			const others = [...of('keys', keyPermissions), ...of('certificates', certificatePermissions)]
			setPolicy(name, clientId, [...secretPermissions, ...others])
		},

		az: async ({ command }) => {
			const parsed = parseAz(command)
			switch (parsed.kind) {
				case 'federated-credential': {
					if (parsed.identityOf !== parsed.groupOf)
						throw new ControlError('the line looks up two different identities', 'AzFailed')
					const { name, issuer, subject, audience } = parsed
					federate({ clientId: parsed.identityOf, name, issuer, subject, audience })
					return { stdout: JSON.stringify({ name, issuer, subject, audiences: [audience] }) }
				}
				case 'role-assignment':
					grant({ clientId: parsed.assignee, role: parsed.role, vault: parsed.vault })
					return {
						stdout: JSON.stringify({
							roleDefinitionName: parsed.role,
							scope: vaultResourceId(settings.subscriptionId, parsed.vault),
						}),
					}
				case 'set-policy':
					if (hosted(parsed.vault).access === 'rbac') {
						throw new ControlError(
							"Cannot set policies to a vault with '--enable-rbac-authorization' specified",
							'AzFailed',
						)
					}
					setPolicy(parsed.vault, parsed.spn, parsed.permissions)
					return { stdout: JSON.stringify({ name: parsed.vault, permissions: { secrets: parsed.permissions } }) }
			}
		},
	}
}

function checkPem(pem: string): string {
	try {
		return new X509Certificate(pem).toString()
	} catch {
		throw new ControlError('certificatePem is not a PEM certificate')
	}
}

function keySource(input: TrustIssuer): KeySource {
	const { issuer, jwks, jwksUrl, bearerTokenFile, caFile } = input
	if (jwks) {
		try {
			return { keys: parseKeySet(jwks) }
		} catch (error) {
			throw new ControlError((error as Error).message)
		}
	}
	const options = { bearerTokenFile, caFile }
	if (jwksUrl !== undefined) return { fetch: () => fetchJson(jwksUrl, options) }
	return {
		fetch: async () => {
			const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
			const document = (await fetchJson(url, options)) as { jwks_uri?: unknown }
			if (typeof document.jwks_uri !== 'string')
				throw new Error(`the discovery document of ${issuer} names no jwks_uri`)
			return fetchJson(document.jwks_uri, options)
		},
	}
}
