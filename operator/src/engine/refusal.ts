import type { Reason } from '../api/conditions.ts'
import type { Permission } from './permission.ts'
import type { Refusal } from './questions.ts'

export const refused = (reason: Reason, message: string): Refusal => ({ kind: 'refused', reason, message })

/** The same in the words of the API server. */
export const refusedBy = (
	{ message, missing }: { message: string; missing?: Permission | undefined },
	reason: Reason,
	text: string,
): Refusal => ({
	...refused(reason, `${text}: ${message}`),
	...(missing && { missing }),
})
