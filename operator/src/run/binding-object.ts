import { isSecretBinding } from '../api/deliveries.ts'
import type { Binding } from '../api/parse.ts'

/** A binding as the watch delivers it. */
export interface BindingObject {
	metadata: {
		namespace?: string
		name: string
		uid?: string
		resourceVersion?: string
		generation?: number
		deletionTimestamp?: string
		annotations?: Record<string, string>
	}
	/** as somebody wrote it; what counts is what `parseBinding` makes of it */
	spec?: { vault?: { url?: string }; suspend?: boolean; delivery?: { secret?: { name?: string } } }
	status?: { conditions?: unknown }
}

/** Whether it is the one that a pass was begun for, with the spec that it had then. */
export const isAsBegun = (object: BindingObject | undefined, { uid, generation }: Binding): boolean =>
	object !== undefined &&
	object.metadata.uid === uid &&
	object.metadata.deletionTimestamp === undefined &&
	(object.metadata.generation ?? 0) === generation

/** Whether it is the one that a pass was begun for, may be written to, and is to be delivered to the same place. */
export const isWanted = (object: BindingObject | undefined, binding: Binding): boolean =>
	object !== undefined &&
	object.metadata.uid === binding.uid &&
	object.metadata.deletionTimestamp === undefined &&
	object.spec?.suspend !== true &&
	object.spec?.delivery?.secret?.name === (isSecretBinding(binding) ? binding.delivery.name : undefined)
