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
	spec?: { vault?: { url?: string }; suspend?: boolean }
	status?: { conditions?: unknown }
}

/** Whether it is the one that a pass was begun for, and may be written to. */
export const isWanted = (object: BindingObject | undefined, uid: string): boolean =>
	object !== undefined &&
	object.metadata.uid === uid &&
	object.metadata.deletionTimestamp === undefined &&
	object.spec?.suspend !== true
