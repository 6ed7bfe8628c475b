import { StatusCode, UnhandledError } from './purista.ts'

/**
 * Why a call failed; in the `data.reason` of the error. All errors of the store are `UnhandledError`, which callers of a
 * command see as a bare 500: texts are fixed, and no name, value, token or text of the vault is in them.
 */
export type StoreErrorReason =
	/** A mount was never read so far, or its manifest cannot be, so that nobody knows which secret the name means. */
	| 'NotReady'
	/** The file is there and cannot be read. */
	| 'Unreadable'
	/** The store was destroyed. */
	| 'Destroyed'
	/** The bytes are no text: `getSecretBytes` has them. */
	| 'Binary'
	/** Options that the constructor cannot take; the text names all of them. */
	| 'InvalidOptions'
	/** A name, version or value is no string. */
	| 'NotAString'
	/** The vault cannot hold a secret of this name. */
	| 'InvalidName'
	/** No mount covers the name and no vault is configured. */
	| 'NotCovered'
	/** The file is made of a part of the vault's secret, so a value cannot be written, deleted or read back under its name. */
	| 'Derived'
	/** No vault is known to write to. */
	| 'NoVault'
	/** The directory is written by the kubelet or a CSI driver, so `writeTo: 'folder'` is not for it. */
	| 'Mounted'
	/** The folder could not be written. */
	| 'Folder'
	/** No file can have this name. */
	| 'InvalidFileName'
	/** No mount holds this version and no vault is asked. */
	| 'VersionNotMounted'
	/** The vault has no such secret or version. */
	| 'NotFound'
	/** The identity may not do this, or no token could be had for it. */
	| 'Denied'
	/** A firewall or private link stands between. */
	| 'Network'
	/** The version is disabled, not yet valid or expired. */
	| 'Disabled'
	/** The name is taken by a deleted secret that can be recovered. */
	| 'Deleted'
	/** The secret is being deleted or recovered at this moment. */
	| 'Conflict'
	/** The vault asks for fewer calls. */
	| 'Throttled'
	/** The vault did not answer, or with a fault of its own. */
	| 'Unavailable'
	/** The vault refused for another reason. */
	| 'Refused'
	/** The client that was given does not answer as a `SecretClient` does. */
	| 'Client'
	/** The manifest names a host that is no Key Vault, and not the configured one. */
	| 'VaultNotAllowed'

const TEXTS: Readonly<Record<StoreErrorReason, readonly [StatusCode, string]>> = {
	NotReady: [StatusCode.ServiceUnavailable, 'the mounted secrets could not be read in time: see status() of the store'],
	Unreadable: [
		StatusCode.ServiceUnavailable,
		'the file of the secret cannot be read: status().mounts names it and why',
	],
	Destroyed: [StatusCode.ServiceUnavailable, 'the secret store is destroyed'],
	Binary: [StatusCode.UnsupportedMediaType, 'the secret is binary: read it with getSecretBytes'],
	InvalidOptions: [StatusCode.InternalServerError, 'the options of AzureMountedSecretStore are not valid'],
	NotAString: [StatusCode.BadRequest, 'names, versions and values of secrets are strings'],
	InvalidName: [
		StatusCode.BadRequest,
		'Key Vault names have 1 to 127 letters, digits and "-": add an alias, or an entry with objectName to the binding',
	],
	NotCovered: [
		StatusCode.NotImplemented,
		'no mount covers this secret: add it to spec.secrets of the AzureSecretBinding, or set vaultUrl of the store',
	],
	Derived: [
		StatusCode.NotImplemented,
		'the file is a part or another form of the secret in the vault (property, decode, certificate): use the name in the vault',
	],
	NoVault: [StatusCode.NotImplemented, 'no vault is known to write to: set vaultUrl of the store'],
	Mounted: [StatusCode.NotImplemented, 'the directory is a mounted volume: writeTo "folder" is for plain directories'],
	Folder: [StatusCode.InternalServerError, 'the folder could not be written: check that it belongs to this user'],
	InvalidFileName: [StatusCode.BadRequest, 'file names of secrets have 1 to 220 letters, digits, "-", "_" and "."'],
	VersionNotMounted: [
		StatusCode.NotImplemented,
		'no mount holds this version: set "previous" of the secret in the AzureSecretBinding, or vaultUrl of the store',
	],
	NotFound: [StatusCode.NotFound, 'the vault has no such secret or version'],
	Denied: [StatusCode.Forbidden, 'the vault denied access: check the role assignment of the identity'],
	Network: [StatusCode.Forbidden, 'the vault is closed to this network: check its firewall and private endpoints'],
	Disabled: [StatusCode.Forbidden, 'the version in the vault is disabled, expired or not yet valid'],
	Deleted: [
		StatusCode.Conflict,
		'the vault holds a deleted secret of this name: recover or purge it, or set onDeleted to "recover"',
	],
	Conflict: [StatusCode.Conflict, 'the secret is being deleted or recovered: try again in some seconds'],
	Throttled: [StatusCode.TooManyRequests, 'the vault is throttling: try again later'],
	Unavailable: [StatusCode.ServiceUnavailable, 'the vault could not be reached'],
	Refused: [StatusCode.InternalServerError, 'the vault refused the call'],
	Client: [
		StatusCode.InternalServerError,
		'the client that was given is not like a SecretClient: getSecret has to answer with an object whose value is a string',
	],
	VaultNotAllowed: [
		StatusCode.NotImplemented,
		'the manifest of the mount names a host that is no Key Vault of Azure: if it is right, give it to the store as vaultUrl',
	],
}

/** Makes the error of a reason, with a text that fits the case better than the usual one. */
export function storeError(reason: StoreErrorReason, text: string = TEXTS[reason][1]): UnhandledError {
	return new UnhandledError(TEXTS[reason][0], text, { reason })
}

/** Reason of an error thrown by the store; undefined for any other error. */
export function reasonOf(error: unknown): StoreErrorReason | undefined {
	if (!(error instanceof UnhandledError) || typeof error.data !== 'object' || error.data === null) return undefined
	const reason = 'reason' in error.data ? error.data.reason : undefined
	return typeof reason === 'string' && Object.hasOwn(TEXTS, reason) ? (reason as StoreErrorReason) : undefined
}
