import * as z from 'zod'
import { DURATION } from './duration.ts'

// What several parts of the schema are made of.

export interface Rule {
	rule: string
	/** Says what to write instead. */
	message: string
}
export const rules = (...list: Rule[]) => ({ 'x-kubernetes-validations': list })

export const duration = (text: string, description: string, min: string, max: string) =>
	z
		.string()
		.regex(DURATION)
		.min(2)
		.max(21)
		.default(text)
		.meta({
			description,
			...rules({
				rule: `duration(self) >= duration('${min}') && duration(self) <= duration('${max}')`,
				message: `write a time from ${min} to ${max}, such as ${text}`,
			}),
		})
