import type { Reason } from '../api/conditions.ts'
import type { Form } from '../api/parse.ts'
import type { Demand, Lane, VaultListing, VaultSecret, VersionListing } from '../ports/vault.ts'
import type { VaultFault } from './fault.ts'
import type { Formed } from './form.ts'
import type { Change, Holding } from './holding.ts'
import type { ListKnowledge } from './known.ts'
import type { Permission } from './permission.ts'

/** A moment, on both clocks. Answers carry the one at which they arrived: the engine reads no clock. */
export interface Moment {
	/** milliseconds since the epoch; may jump */
	readonly now: number
	/** milliseconds that only grow, from an arbitrary start */
	readonly monotonic: number
}

/** How old an answer may be that somebody else asked for, and which questions go first when the budget is short. */
export interface Asked {
	/** monotonic: an answer to a question that was asked at or after this time will do */
	readonly since: number
	readonly lane: Lane
}

/** What a pass may ask. Plain data; a question is told from others by being this object. */
export interface Questions {
	/** tells the session what the binding follows, if it is to be told, and asks what is known there at this moment */
	session: { ask: 'session'; follow: Demand | undefined; interval: number }
	/** all secrets of the vault without values, at most so many pages */
	list: { ask: 'list'; pages: number } & Asked
	/** the current version, or the given one */
	read: { ask: 'read'; objectName: string; version: string | undefined } & Asked
	/** all versions of a secret without values, at most so many pages */
	versions: { ask: 'versions'; objectName: string; pages: number } & Asked
	/** the contents that files are made of: all forms that are wanted of one value. Parsed elsewhere, for a tenant may have written anything */
	form: { ask: 'form'; objectName: string; secret: VaultSecret; forms: readonly (Form | undefined)[] }
	/** what the destination holds now */
	readBack: { ask: 'readBack' }
	/** one change as a whole */
	write: { ask: 'write'; change: Change }
	/** nothing: others go first, because the pass has much to think about at once */
	pause: { ask: 'pause' }
	/** the place under its former name, once the new one holds everything */
	removeFormer: { ask: 'removeFormer'; formerName: string }
}
export type Ask = keyof Questions
export type Question = { readonly [A in Ask]: Readonly<Questions[A]> }[Ask]

/** The vault or Entra did not give what was asked for. */
export interface Fault {
	readonly kind: 'fault'
	readonly fault: VaultFault
}

/** Somebody has to change something in the cluster, or on the machine, first. Named where the call was made. */
export interface Refusal {
	readonly kind: 'refused'
	readonly reason: Reason
	readonly message: string
	/** a permission that the operator lacks is the cause */
	readonly missing?: Permission | undefined
	/** files that alone are the cause: without them the rest of the change would be taken. Undefined: all of it is refused */
	readonly files?: readonly string[] | undefined
}

/** The other side cannot be asked now; what was asked for may have happened or not. Whoever runs passes comes again. */
export interface Away {
	readonly kind: 'away'
	readonly error: Error
}

/** What each question may be answered. No exception crosses this border. */
export interface Answers {
	session: {
		readonly kind: 'session'
		/** how many distinct secrets the bindings follow that poll at least every `interval` milliseconds */
		readonly followed: number
		/** what lists of this vault were found to cost */
		readonly lists: ListKnowledge
		/** issuer of the tokens that are exchanged; undefined before the first one */
		readonly issuer: string | undefined
		/** monotonic: the next common time of polls every `interval` milliseconds */
		readonly nextTick: number
	}
	list: { readonly kind: 'listing'; readonly listing: VaultListing } | Fault | Refusal | Away
	read: { readonly kind: 'secret'; readonly secret: VaultSecret } | Fault | Refusal | Away
	versions: { readonly kind: 'versions'; readonly listing: VersionListing } | Fault | Refusal | Away
	/** one for each form, in their order */
	form: { readonly kind: 'formed'; readonly formed: readonly Formed[] } | Fault
	readBack: { readonly kind: 'none' } | { readonly kind: 'ours'; readonly holding: Holding } | Refusal | Away
	write: { readonly kind: 'written'; readonly holding: Holding } | { readonly kind: 'lostRace' } | Refusal | Away
	pause: { readonly kind: 'paused' }
	removeFormer: { readonly kind: 'done' } | Refusal | Away
}
export type Answer = Answers[Ask]

/** An answer, when it came, and what was asked: the very object that the piece had yielded. */
export interface Arrival {
	readonly question: Question
	readonly answer: Answer
	readonly at: Moment
}

/**
 * A piece of a pass: yields the questions that it opens (none, when it waits for others that are open), is resumed with ONE
 * arrival at a time, each as it arrives, and returns its result.
 */
export type Piece<R> = Generator<readonly Question[], R, Arrival>

/** What a question came to. */
export interface Answered<A extends Ask> {
	readonly answer: Answers[A]
	readonly at: Moment
}

/** The piece of one question. */
export function* ask<A extends Ask>(question: Readonly<Questions[A]> & { ask: A }): Piece<Answered<A>> {
	const { answer, at } = yield [question as Question]
	// Whoever answers does it by a table from questions to their answers (run/answer.ts), so this is the answer to this question.
	return { answer: answer as Answers[A], at }
}
