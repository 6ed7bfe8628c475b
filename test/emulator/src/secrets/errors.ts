import { ServiceError } from '../http/service-error.ts'

// Texts as the service gives them; {name} as the caller wrote it.

/** What an object is called in codes and texts. */
export type Noun = 'Secret' | 'Key' | 'Certificate'

/** The errors of one kind of object; {name} as the caller wrote it. */
export interface ObjectErrors {
	notFound(id: string): ServiceError
	deletedNotFound(name: string): ServiceError
	deletedButRecoverable(name: string): ServiceError
	beingDeleted(): ServiceError
	beingRecovered(name: string): ServiceError
}

export function objectErrors(noun: Noun): ObjectErrors {
	const lower = noun.toLowerCase()
	const conflict = (inner: string, message: string): ServiceError =>
		new ServiceError(409, 'Conflict', message, { inner })
	return {
		notFound: (id) =>
			new ServiceError(
				404,
				`${noun}NotFound`,
				`A ${lower} with (name/id) ${id} was not found in this key vault. If you recently deleted this ${lower} you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
			),
		deletedNotFound: (name) => new ServiceError(404, `${noun}NotFound`, `Deleted ${noun} not found: ${name}`),
		deletedButRecoverable: (name) =>
			conflict(
				'ObjectIsDeletedButRecoverable',
				`${noun} ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the ${lower} can only be recovered or purged.`,
			),
		beingDeleted: () => conflict('ObjectIsBeingDeleted', `${noun} is currently being deleted.`),
		beingRecovered: (name) =>
			conflict(
				'ObjectIsBeingRecovered',
				`${noun} ${name} is currently being recovered and cannot be re-created; retry later.`,
			),
	}
}

export const secretDisabled = (): ServiceError =>
	new ServiceError(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', { inner: 'SecretDisabled' })

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

/** What belongs to a certificate is written and deleted through the certificate only. */
export const managedObject = (operation: string): ServiceError =>
	new ServiceError(
		403,
		'Forbidden',
		`Operation "${operation}" is not allowed as this object's lifetime is managed by Key Vault.`,
		{ inner: 'SecretManagedByKeyVault' },
	)
