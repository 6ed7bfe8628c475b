import type { Manifest } from 'purista-azure-mounted-secret-store/manifest'
import type { Reason } from '../api/conditions.ts'
import type { Content } from './decode.ts'

/** One file of a destination. */
export interface HoldingFile {
	readonly bytes: number
	/** undefined when we wrote it last; otherwise who did and when, in words that change with each of their writes */
	readonly foreign: string | undefined
}

/** What a destination holds. The engine speaks of files and the manifest; all else is the destination's own. */
export interface Holding {
	/** which place this is: one that was deleted and made anew under the same name is another */
	readonly id: string
	/** all files, the manifest among them */
	readonly files: ReadonlyMap<string, HoldingFile>
	/** undefined: none, not readable, or edited by somebody */
	readonly manifest: Manifest | undefined
	/** the revision that stands in it, whoever wrote it; 0 when there is none */
	readonly revision: number
	/** bytes of a file; only on a holding that was just read, and not remembered */
	readonly content?: ((name: string) => Content | undefined) | undefined
	/** what the destination itself needs to know of it with the next change. Holds no values */
	readonly token: unknown
}

/** One change as a whole. */
export interface Change {
	/** files that come or change, without the manifest's */
	readonly set: ReadonlyMap<string, Content>
	/** files that go, without the manifest's */
	readonly drop: readonly string[]
	readonly manifest: Manifest
	/** what it was decided on: undefined, that there is nothing */
	readonly on: Holding | undefined
	/** a place that is not there yet is worth making for this */
	readonly create: boolean
}

/** What a destination says of a change before it is asked to write it. */
export type Verdict =
	/** there is nothing to write */
	| { readonly kind: 'nothing' }
	/** `files`: bytes come, change or go; otherwise it is about what surrounds them */
	| { readonly kind: 'fits'; readonly files: boolean }
	/** `files`: it would be taken without these; undefined: no part of it is */
	| {
			readonly kind: 'refused'
			readonly reason: Reason
			readonly message: string
			readonly files?: readonly string[] | undefined
			/** files that it cannot be without and that are not there; the others wait for them */
			readonly missing?: readonly string[] | undefined
			/** whatever happens elsewhere: the same change to what is there now is refused again */
			readonly lasting?: boolean | undefined
	  }

/** Pure rules of a destination: what it would do with a change. */
export interface DestinationRules {
	/** of the place, where a spec gives it one: under another name it is a former place */
	readonly name?: string | undefined
	/** bytes of all files together that it takes: with more of them nothing is written, so no more are read. Default: as many as there are */
	readonly most?: number | undefined
	judge(change: Change): Verdict
}

/** The same without bytes, to be remembered. */
export const withoutContent = (holding: Holding): Holding => ({ ...holding, content: undefined })
