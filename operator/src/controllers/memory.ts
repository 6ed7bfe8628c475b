import type { BindingStatus } from '../api/schema.ts'
import type { Delivered } from '../plan/delivered.ts'
import type { Known, ListKnowledge } from '../plan/look.ts'
import type { Track } from '../plan/summarize.ts'

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

/** What one process remembers of one binding. All of it can be lost: a restart reads back what it needs. */
export interface Memory {
	uid: string
	/** generation and requested-at that were last followed */
	generation: number | undefined
	requested: string | undefined
	/** monotonic time of the next look; undefined: now */
	nextLookAt: number | undefined
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
	list: ListKnowledge
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
		nextLookAt: undefined,
		looks: 0,
		delivered: undefined,
		driftCheckedAt: Number.NEGATIVE_INFINITY,
		accepted: new Map(),
		revision: 0,
		known: new Map(),
		list: { pages: undefined, at: 0, denied: false },
		absentSince: new Map(),
		track: { failures: 0, failingSince: undefined, lastLook: undefined },
		nudge: undefined,
		warned: new Set(),
		written: undefined,
	}
}
