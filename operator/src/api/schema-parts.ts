import * as z from 'zod'
import { DURATION } from './duration.ts'

// What several parts of the schema are made of.

export interface Rule {
	rule: string
	/** Says what to write instead. */
	message: string
}
export const rules = (...list: Rule[]) => ({ 'x-kubernetes-validations': list })

/** Key Vault's own rule for object names. */
export const OBJECT_NAME = /^[0-9a-zA-Z-]{1,127}$/
export const DNS_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

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
