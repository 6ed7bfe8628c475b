import type { Form } from '../api/parse.ts'
import type { Formed } from '../engine/form.ts'

/** One value and what is to be made of it; crosses by structured clone. */
export interface Work {
	readonly value: string
	readonly contentType: string | undefined
	readonly forms: readonly (Form | undefined)[]
}

export type Reply =
	/** the thread has loaded what it needs */
	| { readonly kind: 'ready' }
	| { readonly kind: 'formed'; readonly formed: readonly Formed[]; readonly cpuMs: number }
	/** without a word of why, which might quote */
	| { readonly kind: 'failed'; readonly cpuMs: number }
