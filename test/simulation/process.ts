// The binding of a history, and who follows it.
import type { Life } from './network.ts'

/** The binding as the API server has it. */
export interface BindingObject {
	metadata: {
		namespace: string
		name: string
		uid: string
		generation: number
		resourceVersion: string
		creationTimestamp: string
		annotations: Record<string, string>
	}
	spec: Record<string, unknown>
	status?: Record<string, unknown>
}

/** The operator of a history. A crash takes one away and makes another, which knows nothing. */
export interface Process {
	/** what there is of it */
	life: Life
	/** The watch shows another binding. */
	shown(): void
	/** polls so far */
	readonly polls: number
}
