import type { Binding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import type { DestinationRules, Holding } from './holding.ts'
import type { Knowledge } from './knowledge.ts'
import type { Outcome } from './outcome.ts'
import type { Moment } from './questions.ts'
import type { Source } from './source.ts'

export interface PassInput {
	readonly binding: Binding
	/** the status of the binding as it is now */
	readonly status: BindingStatus
	readonly knowledge: Knowledge
	/** resolved from the spec and the ServiceAccount just now */
	readonly source: Source
	/** of the destination of the binding */
	readonly rules: DestinationRules
	/** when the pass begins */
	readonly at: Moment
	/** when this process began to work: what was asked before that is as old as a binding that it found */
	readonly startedAt: Moment
	/**
	 * Where it is learnt what changed in the vault: from the status, which this process received at `seenAt` (monotonic). What
	 * it asks the vault for then is shared by all whom the same status set going. Absent: the vault is polled.
	 */
	readonly learnFrom?: { readonly kind: 'status'; readonly seenAt: number } | undefined
}

/** The pass ended without a result: whoever runs passes comes again after a while, and nothing is told. */
export interface Interrupted {
	readonly kind: 'interrupted'
	/** the destination was changed by somebody else meanwhile, or it cannot be asked now */
	readonly error: Error
}

/** What a pass came to. Conditions, events and the time of the next poll all follow from the outcome (status/). */
export interface PassResult {
	readonly knowledge: Knowledge
	readonly outcome: Outcome | Interrupted
	/** what was read back for the first time */
	readonly firstSeen: Holding | undefined
	/** what was written; `files`: bytes came, changed or went */
	readonly written: { readonly holding: Holding; readonly files: boolean } | undefined
	/** the vault told everything that it was asked for */
	readonly polled: boolean
	/** seconds from the change in the vault until it was written, of each secret that was */
	readonly propagated: readonly number[]
}
