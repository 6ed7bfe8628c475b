// Finding what a control argument names, or saying what is not there.
import type { Role } from '../access/roles.ts'
import type { Vault } from '../secrets/vault.ts'
import type { EmulatorState, HostedVault } from '../state.ts'
import type { Client } from '../tokens/directory.ts'
import { ControlError } from './types.ts'

export interface Lookup {
	hosted(name: string): HostedVault
	vault(name: string): Vault
	client(clientId: string): Client
	role(nameOrId: string): Role
}

export function createLookup(state: EmulatorState): Lookup {
	const hosted = (name: string): HostedVault => {
		const found = state.vaults.get(name.toLowerCase())
		if (!found) throw new ControlError(`there is no vault named ${name}`, 'VaultNotFound')
		return found
	}
	return {
		hosted,
		vault: (name) => hosted(name).vault,
		client: (clientId) => {
			const found = state.directory.client(clientId)
			if (!found) throw new ControlError(`there is no client ${clientId}`, 'ClientNotFound')
			return found
		},
		role: (nameOrId) => {
			const found = state.access.role(nameOrId)
			if (!found) throw new ControlError(`there is no role ${nameOrId}`, 'RoleNotFound')
			return found
		},
	}
}
