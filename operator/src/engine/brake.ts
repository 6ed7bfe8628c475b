import { isRemovalInStatus, type StatusEntries } from './by-status.ts'
import type { EntryResult } from './entry.ts'
import { objectKey } from './known.ts'

/** Removals that would be more than the policy allows at once. */
export interface WaitingRemovals {
	names: string[]
	/** text for the annotation allow-removals; other removals have another one */
	digest: string
}

/**
 * Lets go only what the status says goes: the operator has counted removals for all nodes, and brakes for all.
 *
 * @param statusEntries what the status says
 */
export const brakeByStatus = (results: readonly EntryResult[], statusEntries: StatusEntries): EntryResult[] =>
	results.map((result) => {
		const entry = statusEntries.get(result.wanted.name)
		return result.instead === undefined || isRemovalInStatus(entry) ? result : asKept(result)
	})

/** What would have gone stays. */
const asKept = (result: EntryResult): EntryResult => ({
	...result,
	inManifest: result.instead,
	remove: false,
	instead: undefined,
	reason: 'RemovalsHeld',
})

/**
 * Brakes removals when there are more than `max` in one poll: a vault that lost all its secrets, or a tag that was renamed,
 * takes away no more than that before somebody has said yes to exactly these secrets.
 *
 * @param acknowledged the annotation allow-removals
 * @param digestOf a digest of a text, in hexadecimal digits
 */
export function brakeRemovals(
	results: readonly EntryResult[],
	max: number,
	acknowledged: string | undefined,
	digestOf: (text: string) => string,
): { results: EntryResult[]; waiting: WaitingRemovals | undefined } {
	const removals = results.filter((result) => result.instead !== undefined)
	// The files of one certificate are one secret.
	const count = new Set(removals.map(({ wanted }) => objectKey(wanted))).size
	if (count <= max) return { results: [...results], waiting: undefined }
	const names = removals.map(({ wanted }) => wanted.name).sort()
	const lines = removals.map(({ wanted, instead }) => `${wanted.name}=${instead?.version ?? ''}`).sort()
	const digest = digestOf(lines.join('\n'))
	if (acknowledged?.trim() === digest) return { results: [...results], waiting: undefined }
	const kept = results.map((result) => (result.instead ? asKept(result) : result))
	return { results: kept, waiting: { names, digest } }
}
