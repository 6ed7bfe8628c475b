import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { Reason } from '../api/conditions.ts'
import type { WantedSecret } from '../api/parse.ts'
import type { SeenStatus } from './by-status.ts'
import type { Finding } from './entry.ts'
import type { VaultFault } from './fault.ts'
import type { Holding } from './holding.ts'
import type { Known } from './known.ts'
import { entryOf } from './manifest-entry.ts'
import type { SelectorOutcome } from './outcome.ts'
import type { PinsInForce } from './pin.ts'
import type { Refused } from './refused.ts'
import type { Source } from './source.ts'

/** What the last whole poll found, without values: a later one of only some secrets repeats it about the others. */
export interface LastPoll {
	readonly wanted: readonly WantedSecret[]
	readonly selectors: SelectorOutcome
	readonly pins: Omit<PinsInForce, 'secrets'>
	readonly findings: ReadonlyMap<string, Finding>
}

/** For which delivered version, and how many, older versions were last looked for, and why not all could be found. */
export interface OlderKnown {
	readonly version: string
	/** it was taken for the current one: then all others are older, those of the same second too */
	readonly isCurrent: boolean
	readonly count: number
	readonly trouble: VaultFault | undefined
	/** versions that the status told then, when that was what was gone by */
	readonly statusText?: string | undefined
}

/** What is remembered between two passes of a binding, to tell a hiccup from an outage. */
export interface PollHistory {
	/** failures in a row */
	readonly failures: number
	/** since when, monotonic milliseconds */
	readonly failingSince: number | undefined
	/** what has failed without anything else between, and since when (monotonic) */
	readonly cause: { reason: Reason; since: number } | undefined
	/** last successful poll of this process, milliseconds since the epoch */
	readonly lastPoll: number | undefined
}

export const NO_POLLS: PollHistory = { failures: 0, failingSince: undefined, cause: undefined, lastPoll: undefined }

/**
 * Everything that is remembered of one binding. One immutable value: a pass receives it and returns the next one, and
 * `conclude` (status/) adds when it is polled again. All of it can be lost: a restart reads back what it needs.
 */
export interface Knowledge {
	readonly uid: string
	/** of which vault, read with which identity, the rest is known; undefined: nothing is known of any */
	readonly source: Source | undefined
	/** the generation that was last followed */
	readonly generation: number | undefined
	/** text of the annotation requested-at that was last followed */
	readonly requested: string | undefined
	/** texts of the annotations hold and allow-removals that were last followed */
	readonly overrides: string | undefined
	/** generation and annotations that the last pass followed: one that was refused before it began has followed neither */
	readonly ofPass?: string | undefined
	/** whole polls so far */
	readonly polls: number
	/** monotonic time of the next poll; undefined: now */
	readonly nextPollAt: number | undefined
	/** the same of the next whole poll: before it only what is `due` is polled */
	readonly wholePollAt: number | undefined
	/** names that are read again before the next whole poll, and when (monotonic) */
	readonly due: ReadonlyMap<string, number>
	/** undefined: there was no whole poll with success */
	readonly last: LastPoll | undefined
	/** what is known of each secret of the vault, by file name */
	readonly secrets: ReadonlyMap<string, Known>
	/** file name → monotonic time at which the vault first called it absent */
	readonly absentSince: ReadonlyMap<string, number>
	/** what polls saw though a manifest still calls it absent: its write came to nothing, or its value cannot be used */
	readonly seenAgain: ReadonlySet<string>
	readonly older: ReadonlyMap<string, OlderKnown>
	/** what the destination held when it was last seen; undefined: not read back yet, or overtaken */
	readonly holding: Holding | 'none' | undefined
	/** the destination was read back before: what its manifest tells was taken over then */
	readonly readBefore: boolean
	/** monotonic time at which drift was last looked for */
	readonly driftCheckedAt: number
	/** files whose foreign writer wrote our own value: name → writer */
	readonly accepted: ReadonlyMap<string, string>
	/** name of the place of the last pass, where it has one */
	readonly place?: string | undefined
	/** names of places that the spec gave up before they were complete: the status has room for the one before them alone */
	readonly leftPlaces: readonly string[]
	/** the change that was refused last, until another one is written */
	readonly refused?: Refused | undefined
	/** highest revision of the manifest that was seen */
	readonly revision: number
	/** failures in a row, to tell a hiccup from an outage */
	readonly pollHistory: PollHistory
	/** what was last learnt from the status; undefined: nothing is learnt from there */
	readonly seenStatus?: SeenStatus | undefined
}

/** What a process knows of a binding that it has not seen before. */
export const nothingKnown = (uid: string): Knowledge => ({
	uid,
	source: undefined,
	generation: undefined,
	requested: undefined,
	overrides: undefined,
	polls: 0,
	nextPollAt: undefined,
	wholePollAt: undefined,
	due: new Map(),
	last: undefined,
	secrets: new Map(),
	absentSince: new Map(),
	seenAgain: new Set(),
	older: new Map(),
	holding: undefined,
	readBefore: false,
	driftCheckedAt: Number.NEGATIVE_INFINITY,
	accepted: new Map(),
	leftPlaces: [],
	revision: 0,
	pollHistory: NO_POLLS,
})

/** What was known of another vault, or read with another identity, says nothing of this one. What is there is what it was. */
export const knownOfNo = (knowledge: Knowledge, source: Source): Knowledge => ({
	...knowledge,
	source,
	due: new Map(),
	last: undefined,
	secrets: new Map(),
	absentSince: new Map(),
	seenAgain: new Set(),
	older: new Map(),
	refused: undefined,
})

/** What the destination held when it was last seen; undefined when nothing, or not known. */
export const holdingOf = ({ holding }: Knowledge): Holding | undefined => (holding === 'none' ? undefined : holding)

/** What the files are, by the manifest that was last seen: `vault` says which are of another one than `vaultUrl`. */
export function fileEntriesOf(known: Knowledge, vaultUrl: string): ReadonlyMap<string, ManifestSecret> | undefined {
	const manifest = holdingOf(known)?.manifest
	if (!manifest) return undefined
	return new Map(
		Object.keys(manifest.secrets).flatMap((name): [string, ManifestSecret][] => {
			const entry = entryOf(manifest, name, vaultUrl)
			return entry ? [[name, entry]] : []
		}),
	)
}
