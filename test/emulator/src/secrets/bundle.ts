import type { Found, FoundDeleted, SecretVersion } from './model.ts'

/** What bundles say about the vault they are in. */
export interface BundleContext {
	/** `https://host[:port]` of the vault as the client addressed it. */
	readonly origin: string
	readonly recoveryLevel: string
	readonly recoverableDays: number
}

const secretId = (context: BundleContext, name: string, version?: string): string =>
	`${context.origin}/secrets/${name}${version === undefined ? '' : `/${version}`}`

const attributes = (context: BundleContext, version: SecretVersion): object => ({
	enabled: version.enabled,
	...(version.notBefore === undefined ? {} : { nbf: version.notBefore }),
	...(version.expires === undefined ? {} : { exp: version.expires }),
	created: version.created,
	updated: version.updated,
	recoveryLevel: context.recoveryLevel,
	recoverableDays: context.recoverableDays,
})

/** `contentType, id, attributes, tags`: absent things are left out. */
const shared = (context: BundleContext, version: SecretVersion, id: string): object => ({
	...(version.contentType === undefined ? {} : { contentType: version.contentType }),
	id,
	attributes: attributes(context, version),
	...(version.tags === undefined ? {} : { tags: version.tags }),
})

/** Answer to set, get, update, recover and restore; the value only for set and get. */
export function bundle(context: BundleContext, found: Found, options: { value: boolean }): object {
	const { version } = found
	return {
		...(options.value ? { value: version.value } : {}),
		...shared(context, version, secretId(context, found.name, version.version)),
		...(version.kid === undefined ? {} : { kid: version.kid }),
		...(version.managed ? { managed: true } : {}),
		...(version.previousVersion === undefined ? {} : { previousVersion: version.previousVersion }),
	}
}

/** Item of a list of secrets (id without version) or of versions (id with it). Never a value. */
export function listItem(context: BundleContext, found: Found, options: { version: boolean }): object {
	const { version } = found
	const id = secretId(context, found.name, options.version ? version.version : undefined)
	return { ...shared(context, version, id), ...(version.managed ? { managed: true } : {}) }
}

const deletion = (context: BundleContext, found: FoundDeleted): object => ({
	recoveryId: `${context.origin}/deletedsecrets/${found.name}`,
	deletedDate: found.deletedDate,
	scheduledPurgeDate: found.scheduledPurgeDate,
})

export const deletedBundle = (context: BundleContext, found: FoundDeleted): object => ({
	...deletion(context, found),
	...bundle(context, found, { value: false }),
})

export const deletedItem = (context: BundleContext, found: FoundDeleted): object => ({
	...deletion(context, found),
	...listItem(context, found, { version: false }),
})
