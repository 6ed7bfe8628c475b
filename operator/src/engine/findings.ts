import type { WantedSecret } from '../api/parse.ts'
import type { Finding } from './entry.ts'
import { type Known, objectKey } from './known.ts'
import type { Away, Fault, Refusal } from './questions.ts'

/** What was found out about one wanted secret, and what is remembered of it once the write that follows has succeeded. */
export interface One {
	readonly finding: Finding
	readonly known?: Known | undefined
	/** monotonic time at which the vault first called it absent */
	readonly absentSince?: number | undefined
}

/** Why a poll ended early. A fault is one that every further question would meet. */
export type Broke = Fault | Refusal | Away

/** What a piece of a poll found out, by file name. */
export interface Findings {
	readonly ones: ReadonlyMap<string, One>
	readonly broke: Broke | undefined
}

/** Wanted secrets that are made of one value: read by one question, and delivered all or none. */
export type Group = readonly [WantedSecret, ...WantedSecret[]]

export const findingsOf = (group: Group, one: (wanted: WantedSecret) => One): Findings => ({
	ones: new Map(group.map((wanted) => [wanted.name, one(wanted)])),
	broke: undefined,
})
export const brokeBy = (broke: Broke): Findings => ({ ones: new Map(), broke })

/**
 * What a poll is the first to call absent counts as absent since the last of these answers. So all of it is confirmed by one poll, and
 * the brake counts it together: the reads of many may take longer than lies between two polls of what is due.
 *
 * @param before since when secrets were absent before this poll
 */
export function absentTogether(
	ones: ReadonlyMap<string, One>,
	before: ReadonlyMap<string, number>,
): ReadonlyMap<string, One> {
	const times = [...ones].flatMap(([name, { absentSince }]) =>
		absentSince === undefined || before.has(name) ? [] : [absentSince],
	)
	if (times.length < 2) return ones
	const absentSince = Math.max(...times)
	return new Map(
		[...ones].map(([name, one]) => [
			name,
			one.absentSince === undefined || before.has(name) ? one : { ...one, absentSince },
		]),
	)
}

export function groupsOf(secrets: readonly WantedSecret[]): Group[] {
	const groups = new Map<string, Group>()
	for (const wanted of secrets) {
		const key = objectKey(wanted)
		groups.set(key, [...(groups.get(key) ?? []), wanted] as [WantedSecret, ...WantedSecret[]])
	}
	return [...groups.values()]
}

/** Of the value that was read; a text has at least as many as characters. */
export const bytesOf = (finding: Finding): number => (finding.kind === 'value' ? (finding.value?.length ?? 0) : 0)

const bytesIn = ({ ones }: Findings): number => {
	let bytes = 0
	for (const { finding } of ones.values()) bytes += bytesOf(finding)
	return bytes
}

/**
 * Says of what is found, one after the other, when it is more than the destination takes: then nothing is written whatever else
 * there is. A tenant may ask for 480 values of 25 KB, and many passes run at once.
 */
export function fullAt(most: number): (part: Findings) => boolean {
	let bytes = 0
	return (part) => {
		bytes += bytesIn(part)
		return bytes > most
	}
}

/** Those up to the one with which it is more: the same ones at each poll, in whatever order answers come. */
export function untilFull(parts: readonly (Findings | undefined)[], most: number): readonly (Findings | undefined)[] {
	const isFull = fullAt(most)
	const at = parts.findIndex((part) => part !== undefined && isFull(part))
	return at < 0 ? parts : parts.slice(0, at + 1)
}

/** All of them together; the first that broke off says why. */
export const together = (parts: readonly (Findings | undefined)[]): Findings => ({
	ones: new Map(parts.flatMap((part) => [...(part?.ones ?? [])])),
	broke: parts.find((part) => part?.broke)?.broke,
})
