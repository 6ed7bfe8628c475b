import { selfSigned, storeCertificate } from '../certificates/issue.ts'
import { DEFAULT_POLICY } from '../certificates/policy.ts'
import { VAULT_NAME } from '../names.ts'
import { PFX } from '../secrets/certificates.ts'
import { checkInput, checkPatch } from '../secrets/input.ts'
import type { Found } from '../secrets/model.ts'
import { addVault, type EmulatorState } from '../state.ts'
import type { Lookup } from './lookup.ts'
import { ControlError, type SetSecret, type VaultControl, type WrittenSecret } from './types.ts'

/** Vaults, and secrets behind the back of every access rule. `vaultUrl` is a vault's URL as clients use it. */
export function vaultOperations(
	state: EmulatorState,
	lookup: Lookup,
	vaultUrl: (vault: string) => string,
): VaultControl {
	const { hosted, vault } = lookup
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
	return {
		createVault: async ({ name, access = 'rbac', recoverableDays, tenantId }) => {
			if (!VAULT_NAME.test(name))
				throw new ControlError(`a vault name is 3-24 lower-case letters, digits and hyphens: ${name}`)
			if (recoverableDays !== undefined && (recoverableDays < 7 || recoverableDays > 90)) {
				throw new ControlError('recoverableDays is 7 to 90')
			}
			if (state.vaults.has(name)) throw new ControlError(`there is a vault named ${name} already`, 'VaultExists')
			if (tenantId !== undefined) state.directory.addTenant(tenantId)
			addVault(state, { name, access, recoverableDays, tenantId })
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
		addCertificate: async ({ vault: name, name: certificate, contentType = PFX }) => {
			checkName(certificate)
			// A curve: an RSA key would take a tenth of a second, and tests make hundreds.
			const policy = {
				...DEFAULT_POLICY,
				kty: 'EC',
				curve: 'P-256',
				contentType,
				subject: `CN=${certificate.toLowerCase()}.emu.test`,
				dnsNames: [`${certificate.toLowerCase()}.emu.test`],
			}
			const material = await selfSigned(vault(name), certificate, policy, state.clock.now())
			const found = storeCertificate(vault(name), certificate, material)
			return written(name, vault(name).read(found.name))
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
			const { managed: _managed, pem: _pem, previousVersion: _previous, ...rest } = found
			const { id } = written(name, { name: stored.name, version: found })
			return { name: stored.name, id, ...rest, versions: stored.versions.map((each) => each.version) }
		},
		deleteSecret: async ({ vault: name, name: secret }) => {
			vault(name).delete(secret)
		},
		recoverSecret: async ({ vault: name, name: secret }) => {
			vault(name).recover(secret)
		},
		purgeSecret: async ({ vault: name, name: secret }) => vault(name).purge(secret),
	}
}

function checkName(name: string): void {
	if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) {
		throw new ControlError(`not a name of a Key Vault secret: ${name.slice(0, 200)}`, 'BadParameter')
	}
}
