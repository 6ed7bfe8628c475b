// Refusals of vault and API server are errors, which are answers here: nobody reads where in our code they come from.

/** Errors of this work have no stack, which would take longer to make than all else of the answer. */
export function untraced<T>(work: () => T): T {
	const { stackTraceLimit } = Error
	Error.stackTraceLimit = 0
	try {
		return work()
	} finally {
		Error.stackTraceLimit = stackTraceLimit
	}
}
