import { ServiceError } from '../http/service-error.ts'

// Texts as the service gives them; {name} as the caller wrote it.

export const secretNotFound = (id: string): ServiceError =>
	new ServiceError(
		404,
		'SecretNotFound',
		`A secret with (name/id) ${id} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
	)

export const deletedSecretNotFound = (name: string): ServiceError =>
	new ServiceError(404, 'SecretNotFound', `Deleted Secret not found: ${name}`)

export const secretDisabled = (): ServiceError =>
	new ServiceError(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', { inner: 'SecretDisabled' })

export const deletedButRecoverable = (name: string): ServiceError =>
	new ServiceError(
		409,
		'Conflict',
		`Secret ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.`,
		{ inner: 'ObjectIsDeletedButRecoverable' },
	)

export const beingDeleted = (): ServiceError =>
	new ServiceError(409, 'Conflict', 'Secret is currently being deleted.', { inner: 'ObjectIsBeingDeleted' })

export const beingRecovered = (name: string): ServiceError =>
	new ServiceError(
		409,
		'Conflict',
		`Secret ${name} is currently being recovered and cannot be re-created; retry later.`,
		{ inner: 'ObjectIsBeingRecovered' },
	)

/** A restore while a purge of the name still runs; `id` is the whole id with the version. No inner code. */
export const restoreConflict = (id: string): ServiceError =>
	new ServiceError(
		409,
		'Conflict',
		`There was a conflict restoring the secret '${id}'. This can happen if either: a second secret with the same name was created after the first secret was deleted; thus trying to restore a secret whose name is already in use. To fix this, rename the second secret to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the secret. To avoid this error, perform operations against a secret in a sequential manner.`,
	)

/** A restore onto a name that is in use: the service has a text of its own for it, which we do not know. */
export const alreadyExists = (name: string): ServiceError =>
	new ServiceError(409, 'Conflict', `A secret named ${name} already exists in this vault and cannot be restored over.`)

export const corruptBackup = (): ServiceError =>
	new ServiceError(400, 'Malformed backup blob', 'Backup blob is corrupt.')

/** Secrets that belong to a certificate are written and deleted through the certificate only. */
export const managedSecret = (operation: 'set' | 'update' | 'delete'): ServiceError =>
	new ServiceError(
		403,
		'Forbidden',
		`Operation "${operation}" is not allowed as this object's lifetime is managed by Key Vault.`,
		{ inner: 'SecretManagedByKeyVault' },
	)
