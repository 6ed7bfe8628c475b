import { createHash } from 'node:crypto'
import type { KeyVaultSecret, SecretProperties } from '@azure/keyvault-secrets'
import { OBJECT_NAME } from '../api/constants.ts'
import type { SecretFacts } from '../engine/probe.ts'
import { type ListedSecret, VaultError, type VersionFacts } from '../ports/vault.ts'

// FACTS.md#names. Names go into URLs and commands, versions into status.
const VERSION = /^[0-9a-fA-F]{32}$/

/**
 * An item of a list of secrets.
 *
 * @param tags keys of the tags that are kept
 * @throws VaultError (garbage) for a name that no vault has
 */
export function listedOf(item: SecretProperties, tags: ReadonlySet<string> | undefined): ListedSecret {
	const { name } = item
	if (typeof name !== 'string' || !OBJECT_NAME.test(name)) throw garbage()
	const facts = factsOf(item)
	return { objectName: name, ...facts, tags: only(tags, facts.tags) }
}

/** An item of the list of versions of a secret. @throws VaultError (garbage) for an id that no version of it has */
export function versionOf(
	item: SecretProperties,
	objectName: string,
	tags: ReadonlySet<string> | undefined,
): VersionFacts {
	const facts = factsOf(item)
	return { version: idOf(item, objectName, undefined), ...facts, tags: only(tags, facts.tags) }
}

// An object of some strings and numbers in V8, as measured with names of 20 characters; text is counted at two bytes each.
const ITEM_BYTES = 400

/** About how much memory an item of a list takes. */
export function bytesOf({ tags, contentType = '', ...facts }: ListedSecret | VersionFacts): number {
	const name = 'objectName' in facts ? facts.objectName : facts.version
	const text = Object.entries(tags).reduce((sum, [key, value]) => sum + key.length + value.length, 0)
	return ITEM_BYTES + 2 * (name.length + contentType.length + text)
}

/**
 * A value and what is said of it.
 *
 * @param version that was asked for; undefined: the current one
 * @throws VaultError (garbage) for an answer to another question, or of other types than those of the contract
 */
export function secretOf({ value, properties }: KeyVaultSecret, objectName: string, version: string | undefined) {
	if (typeof value !== 'string') throw garbage()
	return { version: idOf(properties, objectName, version), value: () => value, facts: factsOf(properties) }
}

function idOf({ name, version }: SecretProperties, objectName: string, asked: string | undefined): string {
	// Names compare without regard to case, and are answered as they were first written.
	if (typeof name !== 'string' || name.toLowerCase() !== objectName.toLowerCase()) throw garbage()
	if (typeof version !== 'string' || !VERSION.test(version)) throw garbage()
	if (asked !== undefined && version.toLowerCase() !== asked.toLowerCase()) throw garbage()
	return version
}

export function factsOf(properties: SecretProperties): SecretFacts {
	const { enabled, createdOn, updatedOn, notBefore, expiresOn, contentType, managed, tags } = properties
	const seconds = <K extends string>(key: K, date: Date | undefined) => {
		const time = date?.getTime()
		// The client makes an invalid date of a time that is none: no vault says that.
		if (Number.isNaN(time)) throw garbage()
		return (time === undefined ? {} : { [key]: Math.floor(time / 1000) }) as { [P in K]?: number }
	}
	// The client promises types that it does not look at: they are whatever was sent.
	if (!isOptional(enabled, 'boolean') || !isOptional(managed, 'boolean') || !isOptional(contentType, 'string'))
		throw garbage()
	return {
		enabled: enabled !== false,
		...seconds('created', createdOn),
		...seconds('updated', updatedOn),
		...seconds('notBefore', notBefore),
		...seconds('expires', expiresOn),
		...(contentType === undefined || contentType === null ? {} : { contentType }),
		...(managed === true ? { managed } : {}),
		...digested(tagsOf(tags)),
	}
}

// Twelve bytes: nobody gains anything by two sets of tags of one secret that look alike.
const DIGEST_BYTES = 12

/** Lists keep only the tags that somebody asked for, and still have to tell that another one changed. */
function digested(tags: Record<string, string>): Pick<SecretFacts, 'tags' | 'tagsDigest'> {
	const sorted = Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1))
	if (sorted.length === 0) return { tags }
	const digest = createHash('sha256').update(JSON.stringify(sorted)).digest()
	return { tags, tagsDigest: digest.subarray(0, DIGEST_BYTES).toString('base64url') }
}

const isOptional = (value: unknown, type: 'boolean' | 'string') =>
	value === undefined || value === null || typeof value === type

function tagsOf(tags: unknown): Record<string, string> {
	if (tags === undefined || tags === null) return {}
	if (typeof tags !== 'object' || Array.isArray(tags)) throw garbage()
	const entries = Object.entries(tags)
	if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) throw garbage()
	return Object.fromEntries(entries)
}

const only = (keys: ReadonlySet<string> | undefined, tags: Record<string, string>) =>
	keys === undefined ? tags : Object.fromEntries(Object.entries(tags).filter(([key]) => keys.has(key)))

const garbage = () => new VaultError({ kind: 'garbage' })
