// The control API in process: checks arguments, then acts on the state. HTTP is a layer above it.

import { POLICY_PERMISSIONS } from '../access/book.ts'
import type { Role } from '../access/roles.ts'
import { ServiceError } from '../http/service-error.ts'
import { VAULT_NAME } from '../names.ts'
import { checkInput, checkPatch } from '../secrets/input.ts'
import type { Found } from '../secrets/model.ts'
import { vaultResourceId } from '../secrets/plane.ts'
import type { Vault } from '../secrets/vault.ts'
import { addVault, type EmulatorState, type HostedVault } from '../state.ts'
import { type Client, MAX_FEDERATED } from '../tokens/directory.ts'
import { fetchJson } from '../tokens/fetch-json.ts'
import { type KeySource, parseKeySet } from '../tokens/issuers.ts'
import { parseAz } from './az.ts'
import {
	ControlError,
	type EmulatorControl,
	type Grant,
	type SetSecret,
	type TrustIssuer,
	type WrittenSecret,
} from './types.ts'

/** `vaultUrl` gives a vault's URL as clients use it. `configure` brings a fresh state to what the start options ask for. */
export function createControl(
	state: EmulatorState,
	options: { vaultUrl: (vault: string) => string; configure: () => void },
): EmulatorControl {
	const { vaultUrl, configure } = options
	const { clock, random, access, directory, issuers, faults, log, settings } = state

	const hosted = (name: string): HostedVault => {
		const found = state.vaults.get(name.toLowerCase())
		if (!found) throw new ControlError(`there is no vault named ${name}`, 'VaultNotFound')
		return found
	}
	const vault = (name: string): Vault => hosted(name).vault
	const client = (clientId: string): Client => {
		const found = directory.client(clientId)
		if (!found) throw new ControlError(`there is no client ${clientId}`, 'ClientNotFound')
		return found
	}
	const role = (name: string): Role => {
		const found = access.role(name)
		if (!found) throw new ControlError(`there is no role ${name}`, 'RoleNotFound')
		return found
	}
	const grant = ({ clientId, role: name, vault: vaultName, secret }: Grant): void => {
		access.grant({ clientId: client(clientId).clientId, role: role(name), vault: vault(vaultName).name, secret })
	}
	const setPolicy = (vaultName: string, clientId: string, permissions: readonly string[]): void => {
		const unknown = permissions.find((each) => !POLICY_PERMISSIONS.includes(each))
		if (unknown !== undefined) throw new ControlError(`there is no secret permission ${unknown}`)
		access.setPolicy(vault(vaultName).name, client(clientId).clientId, permissions)
	}
	const federate = (input: {
		clientId: string
		name: string
		issuer: string
		subject: string
		audience: string
	}): void => {
		const of = client(input.clientId)
		if (!of.federated.has(input.name) && of.federated.size >= MAX_FEDERATED) {
			throw new ControlError(`a client has at most ${MAX_FEDERATED} federated credentials`)
		}
		const { name, issuer, subject, audience } = input
		directory.putFederated(of, { name, issuer, subject, audience })
	}
	const write = (input: SetSecret): Found => {
		checkName(input.name)
		const { value, contentType, tags, enabled, notBefore, expires } = input
		return vault(input.vault).set(input.name, checkInput({ value, contentType, tags, enabled, notBefore, expires }))
	}
	const written = (vaultName: string, { name, version }: Found): WrittenSecret => ({
		id: `${vaultUrl(vaultName.toLowerCase())}/secrets/${name}/${version.version}`,
		version: version.version,
		updated: version.updated,
	})

	const control: EmulatorControl = {
		createVault: async ({ name, access: model = 'rbac', recoverableDays, tenantId }) => {
			if (!VAULT_NAME.test(name))
				throw new ControlError(`a vault name is 3-24 lower-case letters, digits and hyphens: ${name}`)
			if (recoverableDays !== undefined && (recoverableDays < 7 || recoverableDays > 90))
				throw new ControlError('recoverableDays is 7 to 90')
			if (state.vaults.has(name)) throw new ControlError(`there is a vault named ${name} already`, 'VaultExists')
			if (tenantId !== undefined) directory.addTenant(tenantId)
			addVault(state, { name, access: model, recoverableDays, tenantId })
			return { url: vaultUrl(name) }
		},
		setNetwork: async ({ vault: name, network }) => {
			hosted(name).network = network
		},
		listVaults: async () =>
			[...state.vaults.values()].map((each) => ({
				name: each.vault.name,
				url: vaultUrl(each.vault.name),
				access: each.access,
				secrets: each.vault.dump().filter((secret) => secret.state.kind === 'live').length,
			})),

		setSecret: async (input) => written(input.vault, write(input)),
		setSecrets: async ({ vault: name, secrets }) => {
			for (const secret of secrets) write({ ...secret, vault: name })
			return { written: secrets.length }
		},
		updateSecret: async ({ vault: name, name: secret, version, contentType, tags, enabled, notBefore, expires }) => {
			const patch = { contentType, tags, enabled, notBefore, expires }
			checkPatch(patch)
			return written(name, vault(name).update(secret, version, patch))
		},
		getSecret: async ({ vault: name, name: secret, version }) => {
			const stored = vault(name).export(secret)
			const found =
				version === undefined ? stored.versions.at(-1) : stored.versions.find((each) => each.version === version)
			if (!found) throw new ControlError(`secret ${secret} has no version ${version}`, 'SecretNotFound')
			const { managed: _managed, kid: _kid, previousVersion: _previous, ...rest } = found
			const id = `${vaultUrl(name.toLowerCase())}/secrets/${stored.name}/${found.version}`
			return { name: stored.name, id, ...rest, versions: stored.versions.map((each) => each.version) }
		},
		deleteSecret: async ({ vault: name, name: secret }) => {
			vault(name).delete(secret)
		},
		recoverSecret: async ({ vault: name, name: secret }) => {
			vault(name).recover(secret)
		},
		purgeSecret: async ({ vault: name, name: secret }) => vault(name).purge(secret),

		trustIssuer: async (input) => issuers.trust(input.issuer, keySource(input)),
		addClient: async ({ clientId, tenantId = settings.tenantId, name, resourceGroup = 'emulator', clientSecret }) => {
			directory.putClient({
				clientId,
				tenantId,
				name: name ?? clientId,
				resourceGroup,
				objectId: directory.client(clientId)?.objectId ?? random.uuid(),
				secrets: clientSecret === undefined ? [] : [clientSecret],
				certificates: [],
			})
		},
		addFederatedCredential: async (input) => federate(input),
		removeFederatedCredential: async ({ clientId, name }) => {
			if (!client(clientId).federated.delete(name))
				throw new ControlError(`client ${clientId} has no federated credential ${name}`)
		},

		grant: async (input) => grant(input),
		revoke: async ({ clientId, role: name, vault: vaultName, secret }) => {
			const ended = access.revoke({
				clientId: client(clientId).clientId,
				role: role(name),
				vault: vault(vaultName).name,
				secret,
			})
			if (!ended) throw new ControlError(`client ${clientId} has no such role assignment`, 'AssignmentNotFound')
		},
		defineRole: async (input) => {
			access.defineRole(input)
		},
		setPolicy: async ({ vault: name, clientId, secretPermissions }) => setPolicy(name, clientId, secretPermissions),

		addFault: async (fault) => ({ id: faults.add(fault) }),
		removeFault: async (id) => {
			if (!faults.remove(id)) throw new ControlError(`there is no fault ${id}`)
		},
		clearFaults: async () => faults.clear(),

		requests: async (input) => log.since(input?.since),
		requestCounts: async (input) => log.counts(input?.since),

		advanceClock: async ({ seconds }) => {
			clock.advance(seconds * 1000)
			return { now: clock.now() }
		},
		az: async ({ command }) => {
			const parsed = parseAz(command)
			switch (parsed.kind) {
				case 'federated-credential':
					if (parsed.identityOf !== parsed.groupOf) throw new ControlError('the line looks up two different identities')
					federate({ ...parsed, clientId: parsed.identityOf })
					return {
						stdout: JSON.stringify({
							name: parsed.name,
							issuer: parsed.issuer,
							subject: parsed.subject,
							audiences: [parsed.audience],
						}),
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
		reset: async () => {
			state.vaults.clear()
			access.clear()
			directory.clear()
			issuers.clear()
			faults.clear()
			log.clear()
			clock.reset()
			configure()
		},
	}
	return translated(control)
}

/** The model's own errors reach the control API's callers as ControlErrors. */
function translated(control: EmulatorControl): EmulatorControl {
	const wrap =
		(call: (input: never) => Promise<unknown>) =>
		async (input: never): Promise<unknown> => {
			try {
				return await call(input)
			} catch (error) {
				throw error instanceof ServiceError ? new ControlError(error.message, error.inner ?? error.code) : error
			}
		}
	const wrapped = Object.entries(control).map(([name, call]) => [
		name,
		wrap(call as (input: never) => Promise<unknown>),
	])
	return Object.fromEntries(wrapped) as EmulatorControl
}

function checkName(name: string): void {
	if (!/^[0-9a-zA-Z-]{1,127}$/.test(name))
		throw new ControlError(`not a name of a Key Vault secret: ${name.slice(0, 200)}`, 'BadParameter')
}

function keySource(input: TrustIssuer): KeySource {
	const { issuer, jwks, jwksUrl, bearerTokenFile, caFile } = input
	if (jwks) return { keys: parseKeySet(jwks) }
	const options = { bearerTokenFile, caFile }
	if (jwksUrl !== undefined) return { fetch: () => fetchJson(jwksUrl, options) }
	return {
		fetch: async () => {
			const document = (await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, options)) as {
				jwks_uri?: unknown
			}
			if (typeof document.jwks_uri !== 'string')
				throw new Error(`the discovery document of ${issuer} names no jwks_uri`)
			return fetchJson(document.jwks_uri, options)
		},
	}
}
