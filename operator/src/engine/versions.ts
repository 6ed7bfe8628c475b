import { flawOf } from './flaw.ts'
import { listedVersion } from './listed-version.ts'
import type { SecretFacts } from './probe.ts'

/** Pages of a list of versions that are read at most, 25 versions on each: beyond 500 a rotation would cost more calls than all else. */
export const MAX_VERSION_PAGES = 20

/** One version in the list of a secret's versions. */
export type ListedVersion = SecretFacts & { version: string }

// Lists come by id, which is a hash; only `created` tells of age, in whole seconds (FACTS.md#versions).
const createdOf = ({ created }: ListedVersion) => created ?? Number.NEGATIVE_INFINITY
const newestFirst = (versions: readonly ListedVersion[]) => versions.toSorted((a, b) => createdOf(b) - createdOf(a))

/** Id of the version that was created last; empty when there is none. */
export const newestVersion = (versions: readonly ListedVersion[]): string => newestFirst(versions)[0]?.version ?? ''

export type StandIn = { kind: 'version'; version: ListedVersion } | { kind: 'none' } | { kind: 'tie' }

/**
 * The newest version that can be used in place of a current one that cannot.
 *
 * @param current id of the current version; undefined when the vault does not tell it, because it is disabled
 * @param delivered version that is delivered now: of several that were created in the same second it may stay
 * @param now milliseconds since the epoch
 */
export function standIn(
	versions: readonly ListedVersion[],
	current: string | undefined,
	deliveredVersion: string | undefined,
	now: number,
): StandIn {
	const candidates = newestFirst(versions).filter((each) => each.version !== current && flawOf(each, now) === undefined)
	const [newest] = candidates
	if (!newest) return { kind: 'none' }
	const tied = candidates.filter((each) => createdOf(each) === createdOf(newest))
	if (tied.length === 1) return { kind: 'version', version: newest }
	const kept = tied.find(({ version }) => version === deliveredVersion)
	return kept ? { kind: 'version', version: kept } : { kind: 'tie' }
}

/** @param id of the vault, or what stands for it where only lists tell (listed-version.ts) */
export const isAmong = (versions: readonly ListedVersion[], id: string): boolean =>
	versions.some(({ version, updated }) => version === id || listedVersion(updated) === id)

/**
 * Whether a list of versions is not older than what is known of the current one: then it shows it as it was last updated.
 *
 * @param current its id; undefined when it is not told
 * @param facts of it, as it was read or as the list of the vault has it; undefined when a read has said only that it is disabled
 */
export function isAsYoung(
	versions: readonly ListedVersion[],
	current: string | undefined,
	facts: SecretFacts | undefined,
): boolean {
	if (!facts) return currentAmong(versions, current).length > 0
	return versions.some(
		({ version, updated }) => updated === facts.updated && (current === undefined || version === current),
	)
}

/**
 * Whether there is a newer version than the current one was when it was read: then that one is the current one.
 *
 * @param current it, as it was read; undefined when it is disabled, of which a read does not tell
 */
export function isOvertaken(versions: readonly ListedVersion[], current: SecretFacts | undefined): boolean {
	const [newest] = newestFirst(versions)
	if (!newest) return false
	const at = createdOf(newest)
	if (current) return at > (current.created ?? Number.POSITIVE_INFINITY)
	return versions.every((each) => createdOf(each) < at || each.enabled)
}

/**
 * Those of which one is the current version: of two that were created in the same second nobody can tell.
 *
 * @param current its id; undefined when it is disabled, of which a read does not tell
 */
export function currentAmong(versions: readonly ListedVersion[], current: string | undefined): ListedVersion[] {
	if (current !== undefined) return versions.filter(({ version }) => version === current)
	const [newest] = newestFirst(versions)
	return versions.filter((each) => newest && createdOf(each) === createdOf(newest) && !each.enabled)
}

/**
 * The `count` enabled versions before one, newest first.
 *
 * Versions that were created in the same second cannot be ordered. When some of them would be kept and others not, none of
 * them is (`tie`). Of the second of the current version all others are older than it; than another version only those
 * created before it.
 */
export function previousVersions(
	versions: readonly ListedVersion[],
	of: { version: string; isCurrent: boolean },
	count: number,
): { kept: ListedVersion[]; tie: boolean } {
	const self = versions.find(({ version }) => version === of.version)
	const isOlder = (each: ListedVersion) => {
		if (!self) return of.isCurrent
		// Newer ones have come since the current one was read: they are for the next poll to see.
		return of.isCurrent ? createdOf(each) <= createdOf(self) : createdOf(each) < createdOf(self)
	}
	const older = newestFirst(versions).filter((each) => each.version !== of.version && each.enabled && isOlder(each))
	const last = older[count - 1]
	const next = older[count]
	if (!last || !next || createdOf(last) !== createdOf(next)) return { kept: older.slice(0, count), tie: false }
	return { kept: older.filter((each) => createdOf(each) > createdOf(last)), tie: true }
}
