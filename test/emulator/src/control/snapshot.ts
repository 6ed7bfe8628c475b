// What a state file keeps: vaults with their secrets, clients, access, trusted issuers. Not the clock, faults or log.
import type { AccessModel, Assignment } from '../access/book.ts'
import type { Role } from '../access/roles.ts'
import type { CertificateVersion } from '../certificates/model.ts'
import type { KeyVersion } from '../keys/model.ts'
import type { Secret, Stored } from '../secrets/model.ts'
import { addVault, type EmulatorState, type VaultNetwork } from '../state.ts'
import type { Client, FederatedCredential } from '../tokens/directory.ts'
import type { TrustIssuer } from './types.ts'

export const SNAPSHOT_SCHEMA = 1

export interface Snapshot {
	readonly schema: typeof SNAPSHOT_SCHEMA
	readonly tenantId: string
	readonly vaults: ReadonlyArray<{
		name: string
		tenantId: string
		access: AccessModel
		network: VaultNetwork
		recoverableDays: number
		secrets: readonly Secret[]
		/** Absent in files of versions before these. */
		keys?: ReadonlyArray<Stored<KeyVersion>>
		certificates?: ReadonlyArray<Stored<CertificateVersion>>
	}>
	readonly clients: ReadonlyArray<Omit<Client, 'federated'> & { federated: readonly FederatedCredential[] }>
	readonly access: {
		readonly assignments: readonly Assignment[]
		readonly policies: ReadonlyArray<{ vault: string; clientId: string; permissions: readonly string[] }>
		readonly roles: readonly Role[]
	}
	readonly issuers: readonly TrustIssuer[]
	/** Base64: backups made before a restart can be restored after it. */
	readonly backupKey: string
}

export function takeSnapshot(state: EmulatorState): Snapshot {
	const { access, directory, settings } = state
	return {
		schema: SNAPSHOT_SCHEMA,
		tenantId: settings.tenantId,
		vaults: [...state.vaults.values()].map(({ vault, tenantId, access: model, network }) => ({
			name: vault.name,
			tenantId,
			access: model,
			network,
			recoverableDays: vault.recoverableDays,
			secrets: vault.dump(),
			keys: vault.keys.dump(),
			certificates: vault.certificates.dump(),
		})),
		clients: directory.clients().map((client) => ({ ...client, federated: [...client.federated.values()] })),
		access: { assignments: access.assignments(), policies: access.policies(), roles: access.customRoles() },
		issuers: [...state.trusted.values()],
		backupKey: state.backupKey.toString('base64'),
	}
}

/** Puts a snapshot into a fresh state; issuers are left to the caller, who makes key sources of them. */
export function applySnapshot(state: EmulatorState, snapshot: Snapshot): void {
	for (const { name, tenantId, access, network, recoverableDays, secrets, ...more } of snapshot.vaults) {
		state.directory.addTenant(tenantId)
		const hosted = addVault(state, { name, access, recoverableDays, tenantId })
		hosted.network = network
		hosted.vault.load(secrets)
		hosted.vault.keys.load(more.keys ?? [])
		hosted.vault.certificates.load(more.certificates ?? [])
	}
	for (const { federated, generation, ...client } of snapshot.clients) {
		const put = state.directory.putClient(client)
		put.generation = generation
		for (const credential of federated) put.federated.set(credential.name, credential)
	}
	state.access.load(snapshot.access)
	state.backupKey = Buffer.from(snapshot.backupKey, 'base64')
}
