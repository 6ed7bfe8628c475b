import type { WantedSecret } from '../api/parse.ts'
import { bytesOf, type One } from './findings.ts'
import { type Holding, type Verdict, withoutContent } from './holding.ts'
import { type Known, mustRead, VERSIONS_EVERY } from './known.ts'
import type { Refusal } from './questions.ts'
import type { Polling } from './values.ts'

/**
 * A change that a destination takes never as it is, and what it was made of, without values. While that is the same so is the
 * answer, and nothing need be read to give it again.
 */
export interface Refused {
	readonly refusal: Refusal
	/** what the destination held */
	readonly on: Holding | undefined
	/** by all that was found out, and not by values alone */
	readonly isWhole: boolean
	/** what decided it, by file name; `isRead`: its value was read for this change, and is not delivered */
	readonly ones: ReadonlyMap<string, { readonly known: Known; readonly isRead: boolean }>
}

/**
 * What a verdict hangs on; undefined when another one may come without any change that a list or the status shows.
 *
 * Values that are too large by themselves are so whatever else there is. Otherwise it hangs on all that was found out, and that
 * must be settled: what failed may be read the next time.
 */
export function refusedBy(
	verdict: Verdict,
	on: Holding | undefined,
	ones: ReadonlyMap<string, One>,
	most: number,
): Refused | undefined {
	if (verdict.kind !== 'refused' || !verdict.lasting) return undefined
	const { reason, message } = verdict
	const isRead = ({ finding }: One) => finding.kind === 'value' && finding.value !== undefined
	const read = [...ones].filter(([, one]) => isRead(one))
	const isTooMuch = read.reduce((sum, [, { finding }]) => sum + bytesOf(finding), 0) > most
	const deciding = isTooMuch ? read : [...ones]
	const known = deciding.flatMap(([name, one]): [string, { known: Known; isRead: boolean }][] =>
		one.known?.settled ? [[name, { known: one.known, isRead: isRead(one) }]] : [],
	)
	if (known.length < deciding.length) return undefined
	return {
		refusal: { kind: 'refused', reason, message },
		on: on && withoutContent(on),
		isWhole: !isTooMuch,
		ones: new Map(known),
	}
}

/**
 * Whether the same is refused again.
 *
 * @param wanted what is wanted now and not decided yet, without what left or collides
 * @param isChanged whether the list or the status shows something else of it than is known
 */
export function isRefusedAgain(
	{ on, isWhole, ones }: Refused,
	wanted: readonly WantedSecret[],
	{ holding, force, polls }: Polling,
	isChanged: (wanted: WantedSecret, known: Known) => boolean,
): boolean {
	if (!isSameHolding(on, holding)) return false
	// One that is new may be what was missing.
	if (isWhole && wanted.some(({ name }) => !ones.has(name))) return false
	const byName = new Map(wanted.map((each) => [each.name, each]))
	const isTime = polls % VERSIONS_EVERY === 0
	for (const [name, { known, isRead }] of ones) {
		const each = byName.get(name)
		if (!each || mustRead(each, known) || isChanged(each, known)) return false
		// What is not delivered is missing because it was refused.
		if (!isRead && force.has(name)) return false
		// No list shows which of their versions can be used.
		if (isTime && (each.version !== undefined || (each.previous ?? 0) > 0)) return false
	}
	return true
}

/** Somebody may have made room, or taken it. */
function isSameHolding(a: Holding | undefined, b: Holding | undefined): boolean {
	if (a === undefined || b === undefined) return a === b
	if (a.id !== b.id || a.revision !== b.revision || a.files.size !== b.files.size) return false
	return [...a.files].every(([name, { bytes, foreign }]) => {
		const other = b.files.get(name)
		return other !== undefined && other.bytes === bytes && other.foreign === foreign
	})
}
