import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { formatTime } from '../api/time.ts'

/** What Key Vault says about a secret besides its value. Times in whole seconds since 1970, as the service keeps them. */
export interface SecretFacts {
	enabled: boolean
	created?: number
	updated?: number
	notBefore?: number
	expires?: number
	contentType?: string
	/** belongs to a certificate or key of the vault */
	managed?: boolean
	/** in a list only those that a selector of its followers names */
	tags: Record<string, string>
	/** of all tags; absent when there are none, or when `tags` are all */
	tagsDigest?: string
}

/** Changes whenever somebody wrote to the secret, except for a second write within the same second. */
export function probeOf({ updated, enabled, notBefore, expires, contentType, tags, tagsDigest }: SecretFacts): string {
	if (tagsDigest !== undefined) return JSON.stringify([updated, enabled, notBefore, expires, contentType, tagsDigest])
	const sorted = Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1))
	return JSON.stringify([updated, enabled, notBefore, expires, contentType, sorted])
}

// Timestamps are whole seconds: a second write may follow until the second is over. One more for servers of a vault whose
// clocks differ.
const SETTLED_AFTER_S = 2

/**
 * Whether no further write can hide behind the same timestamp.
 *
 * @param serverTime the server's `Date` when it answered, milliseconds; unknown counts as not settled
 */
export function isSettled({ updated }: SecretFacts, serverTime: number | undefined): boolean {
	if (updated === undefined) return true
	return serverTime !== undefined && serverTime / 1000 - updated >= SETTLED_AFTER_S
}

/**
 * Whether the manifest of a Secret (written by an earlier process) still describes the item of a list. Tags are not in the
 * manifest, but every change of a tag moves `updated`. What a status remembers in place of a manifest has no `created`, nor
 * anything else that moves `updated` alone.
 */
export function agrees(secret: ManifestSecret, facts: SecretFacts): boolean {
	const same = (text: string | undefined, seconds: number | undefined) =>
		text === (seconds === undefined ? undefined : formatTime(seconds * 1000))
	return (
		facts.enabled &&
		secret.state === 'Current' &&
		same(secret.updated, facts.updated) &&
		same(secret.expires, facts.expires) &&
		(secret.created === undefined ||
			(same(secret.notBefore, facts.notBefore) && secret.contentType === facts.contentType))
	)
}
