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
export interface Found {
	readonly ones: ReadonlyMap<string, One>
	readonly broke: Broke | undefined
}

/** Wanted secrets that are made of one value: read by one question, and delivered all or none. */
export type Group = readonly [WantedSecret, ...WantedSecret[]]

export const foundAs = (group: Group, one: (wanted: WantedSecret) => One): Found => ({
	ones: new Map(group.map((wanted) => [wanted.name, one(wanted)])),
	broke: undefined,
})
export const brokeBy = (broke: Broke): Found => ({ ones: new Map(), broke })

export function groupsOf(secrets: readonly WantedSecret[]): Group[] {
	const groups = new Map<string, Group>()
	for (const wanted of secrets) {
		const key = objectKey(wanted)
		groups.set(key, [...(groups.get(key) ?? []), wanted] as [WantedSecret, ...WantedSecret[]])
	}
	return [...groups.values()]
}

/** All of them together; the first that broke off says why. */
export const together = (founds: readonly (Found | undefined)[]): Found => ({
	ones: new Map(founds.flatMap((found) => [...(found?.ones ?? [])])),
	broke: founds.find((found) => found?.broke)?.broke,
})
