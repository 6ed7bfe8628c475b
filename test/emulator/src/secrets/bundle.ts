import type { Found, FoundDeleted, ObjectVersion, SecretVersion } from './model.ts'

/** What bundles say about the vault they are in. */
export interface BundleContext {
	/** `https://host[:port]` of the vault as the client addressed it. */
	readonly origin: string
	readonly recoveryLevel: string
	readonly recoverableDays: number
}

const secretId = (context: BundleContext, name: string, version?: string): string =>
	`${context.origin}/secrets/${name}${version === undefined ? '' : `/${version}`}`

/** The attributes of any object's version. */
export const objectAttributes = (context: BundleContext, version: ObjectVersion): object => ({
	enabled: version.enabled,
	...(version.notBefore === undefined ? {} : { nbf: version.notBefore }),
	...(version.expires === undefined ? {} : { exp: version.expires }),
	created: version.created,
	updated: version.updated,
	recoveryLevel: context.recoveryLevel,
	recoverableDays: context.recoverableDays,
})

/** Id of a version, as bundles and texts have it. */
export const versionId = (context: BundleContext, { name, version }: Found): string =>
	secretId(context, name, version.version)

/** `contentType, id, managed, attributes, tags`: absent things are left out. */
const shared = (context: BundleContext, version: SecretVersion, id: string): object => ({
	...(version.contentType === undefined ? {} : { contentType: version.contentType }),
	id,
	...(version.managed ? { managed: true } : {}),
	attributes: objectAttributes(context, version),
	...(version.tags === undefined ? {} : { tags: version.tags }),
})

/** Answer to set, get, update, recover and restore; the value only for set and get. */
export function bundle(context: BundleContext, found: Found, options: { value: boolean }): object {
	const { version } = found
	return {
		...(options.value ? { value: version.value } : {}),
		...shared(context, version, versionId(context, found)),
		// A certificate's secret has tags even when it has none, and its key's id: both share the version.
		...(version.managed
			? { tags: version.tags ?? {}, kid: `${context.origin}/keys/${found.name}/${version.version}` }
			: {}),
		...(version.previousVersion === undefined ? {} : { previousVersion: version.previousVersion }),
	}
}

/** Item of a list of secrets (id without version) or of versions (id with it). Never a value. */
export const listItem = (context: BundleContext, found: Found, options: { version: boolean }): object =>
	shared(context, found.version, secretId(context, found.name, options.version ? found.version.version : undefined))

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
