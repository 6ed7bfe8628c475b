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

export const beingRecovered = (): ServiceError =>
	new ServiceError(409, 'Conflict', 'Secret is currently being recovered.', { inner: 'ObjectIsBeingRecovered' })

/** Restore and certificate names: an object of that name is there. */
export const alreadyExists = (name: string): ServiceError =>
	new ServiceError(
		409,
		'Conflict',
		`There was a conflict restoring the secret ${name}: it already exists in this vault.`,
	)

/** Secrets that belong to a certificate are written and deleted through the certificate only. */
export const managedSecret = (name: string): ServiceError =>
	new ServiceError(403, 'Forbidden', `Operation is not allowed on secret ${name}: it is managed by a certificate.`, {
		inner: 'SecretManagedByKeyVault',
	})
