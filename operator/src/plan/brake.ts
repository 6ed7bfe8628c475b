import { createHash } from 'node:crypto'
import type { EntryResult } from './found.ts'
import { objectKey } from './look.ts'

// 48 bits: nobody acknowledges by chance, and it can be read aloud.
const DIGEST_DIGITS = 12

/** Removals that would be more than the policy allows at once. */
export interface HeldRemovals {
	names: string[]
	/** text for the annotation allow-removals; other removals have another one */
	digest: string
}

/**
 * Holds removals when there are more than `max` in one look: a vault that lost all its secrets, or a tag that was renamed,
 * takes away no more than that before somebody has said yes to exactly these secrets.
 *
 * @param acknowledged the annotation allow-removals
 */
export function holdRemovals(
	results: readonly EntryResult[],
	max: number,
	acknowledged: string | undefined,
): { results: EntryResult[]; held: HeldRemovals | undefined } {
	const removals = results.filter((result) => result.instead !== undefined)
	// The files of one certificate are one secret.
	const count = new Set(removals.map(({ wanted }) => objectKey(wanted))).size
	if (count <= max) return { results: [...results], held: undefined }
	const names = removals.map(({ wanted }) => wanted.name).sort()
	const lines = removals.map(({ wanted, instead }) => `${wanted.name}=${instead?.version ?? ''}`).sort()
	const digest = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, DIGEST_DIGITS)
	if (acknowledged?.trim() === digest) return { results: [...results], held: undefined }
	const kept = results.map((result): EntryResult => {
		const { instead } = result
		if (!instead) return result
		return { ...result, delivered: instead, remove: false, instead: undefined, reason: 'RemovalsHeld' }
	})
	return { results: kept, held: { names, digest } }
}
