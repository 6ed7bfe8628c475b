import type { BindingStatus } from '../api/schema.ts'
import type { Delivered } from '../destinations/secret/secret-object.ts'
import type { Known } from '../engine/known.ts'
import { NEW_TRACK, type Track } from '../status/outage.ts'
import type { HistoryKnown } from './history.ts'
import type { LookResult } from './look.ts'

/** Pods that still have to be told of a written Secret. */
export interface PendingNudge {
	resourceVersion: string
	/** when the Secret was written, milliseconds since the epoch */
	writtenAt: number
	/** the first pass comes right after the write, the last one ends the nudge */
	pass: 'first' | 'last'
	/** monotonic, milliseconds */
	dueAt: number
	failures: number
}

/** A look, as far as a later one of only some secrets repeats it. */
export type LastLook = Pick<LookResult, 'wanted' | 'selectors' | 'held' | 'findings'>

/** What one process remembers of one binding. All of it can be lost: a restart reads back what it needs. */
export interface Memory {
	uid: string
	/** generation and requested-at that were last followed */
	generation: number | undefined
	requested: string | undefined
	/** texts of the annotations hold and allow-removals that were last followed */
	overrides: string | undefined
	/** monotonic time of the next look; undefined: now */
	nextLookAt: number | undefined
	/** the same of the next whole look; before it only what is `due` is looked at */
	wholeLookAt: number | undefined
	/** names that are to be read again before the next whole look, and when (monotonic) */
	due: Map<string, number>
	/** what the last whole look found, without values; undefined: there was none with success */
	last: LastLook | undefined
	/** older versions: what they were last looked for */
	history: HistoryKnown
	looks: number
	/** undefined: not read back yet */
	delivered: Delivered | 'none' | undefined
	/** monotonic time at which drift was last looked for */
	driftCheckedAt: number
	/** keys whose foreign writer wrote our own value: key → writer */
	accepted: Map<string, string>
	/** highest revision of the manifest that was seen */
	revision: number
	known: Map<string, Known>
	/** name → monotonic time at which the vault first called it absent */
	absentSince: Map<string, number>
	track: Track
	nudge: PendingNudge | undefined
	/** owners of pods that keep old values, of which an event was written */
	warned: Set<string>
	/** the status as last written, and the resourceVersion of the binding then */
	written: { status: BindingStatus; resourceVersion: string } | undefined
}

export function createMemory(uid: string): Memory {
	return {
		uid,
		generation: undefined,
		requested: undefined,
		overrides: undefined,
		nextLookAt: undefined,
		wholeLookAt: undefined,
		due: new Map(),
		last: undefined,
		history: new Map(),
		looks: 0,
		delivered: undefined,
		driftCheckedAt: Number.NEGATIVE_INFINITY,
		accepted: new Map(),
		revision: 0,
		known: new Map(),
		absentSince: new Map(),
		track: NEW_TRACK,
		nudge: undefined,
		warned: new Set(),
		written: undefined,
	}
}

/** The Secret as it was last seen; undefined when there is none, or it was not read back yet. */
export const deliveredOf = ({ delivered }: Memory): Delivered | undefined =>
	delivered === 'none' ? undefined : delivered
