import type { WantedSecret } from '../api/parse.ts'
import type { Finding } from './entry.ts'
import { traitsOf } from './fault.ts'
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
 * What is absent and not confirmed yet counts as absent since the last of these answers, and nothing of it is confirmed before the rest. So the
 * brake counts it together: the reads of many may take longer than lies between two polls of what is due, and who deletes one after the
 * other, or a vault that says so, would have each removed by a poll of its own.
 *
 * @param isOpen whether something is delivered of it that the vault has not called absent for long enough before
 */
export function absentTogether(
	ones: ReadonlyMap<string, One>,
	isOpen: (name: string) => boolean,
): ReadonlyMap<string, One> {
	const pending = [...ones].filter(([name, one]) => isPending(one) && isOpen(name))
	if (pending.length < 2) return ones
	const absentSince = Math.max(...pending.map(([, one]) => one.absentSince ?? 0))
	const isConfirmed = pending.every(([, { finding }]) => finding.kind === 'fault' && finding.confirmed)
	return new Map([
		...ones,
		...pending.map(([name, one]): [string, One] => [name, { ...(isConfirmed ? one : unconfirmed(one)), absentSince }]),
	])
}

/** Whether the vault has called it absent, and has not said anything else since. */
const isPending = ({ finding, absentSince }: One) =>
	absentSince !== undefined &&
	finding.kind === 'fault' &&
	(finding.fault.kind === 'absent' || traitsOf(finding.fault).class === 'transient')

/** A gap in the list says nothing yet, so it is not remembered. */
const unconfirmed = ({ finding, ...one }: One): One =>
	finding.kind === 'fault' && finding.confirmed
		? { finding: { ...finding, confirmed: false }, absentSince: one.absentSince }
		: { finding, ...one }

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
