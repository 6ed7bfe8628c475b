/** The object that an event is about. */
export interface EventRegarding {
	apiVersion: string
	kind: string
	/** absent for cluster-scoped objects; their events go to namespace `default` */
	namespace?: string | undefined
	name: string
	uid?: string | undefined
}

export interface EventInput {
	regarding: EventRegarding
	type: 'Normal' | 'Warning'
	/** another object that it is about; events about different ones are different events */
	related?: EventRegarding | undefined
	/** what it is about that is no object of the cluster: events about different ones are different events */
	topic?: string | undefined
	/** machine-readable, UpperCamelCase */
	reason: string
	/** what was done or tried, UpperCamelCase */
	action: string
	/** one sentence for people */
	note: string
}

/** Tells people in the cluster what happened to an object. */
export interface EventRecorder {
	/** Returns at once and never throws: an event is news, nothing depends on it. */
	record(event: EventInput): void
	/**
	 * Resolves when everything recorded so far was sent or given up. What waits for another try has its last one at once, and what has no
	 * answer after five seconds is not waited for.
	 */
	flush(): Promise<void>
}
