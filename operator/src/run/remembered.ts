import type { BindingStatus } from '../api/schema.ts'
import type { PendingRefresh } from '../destinations/secret/refresh.ts'
import { type Knowledge, nothingKnown } from '../engine/knowledge.ts'
import { noPace, type Pace } from '../status/pace.ts'

/** The status as last written, and the resourceVersion of the binding then. */
export interface WrittenStatus {
	readonly status: BindingStatus
	readonly resourceVersion: string
}

/** What one process remembers of one binding. Immutable, and replaced in one place: the reconciler. */
export interface Remembered {
	/** what passes know */
	readonly knowledge: Knowledge
	/** pods that still have to be told */
	readonly refresh: PendingRefresh | undefined
	/** owners of pods that keep old values, of which an event was written */
	readonly warned: ReadonlySet<string>
	readonly written: WrittenStatus | undefined
	/** how well its interval is kept */
	readonly pace: Pace
}

export const nothingRemembered = (uid: string): Remembered => ({
	knowledge: nothingKnown(uid),
	refresh: undefined,
	warned: new Set(),
	written: undefined,
	pace: noPace,
})
