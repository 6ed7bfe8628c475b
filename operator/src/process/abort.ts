import type { ClientRequest } from 'node:http'

/** An AbortController that follows a parent signal until `release` is called. */
export interface LinkedAbort {
	controller: AbortController
	release(): void
}

/**
 * Like `AbortSignal.any([parent, own])`, but explicit about its end: parents here live as long as the process, and one
 * forgotten listener for each request would be a leak.
 */
export function linkAbort(parent?: AbortSignal): LinkedAbort {
	const controller = new AbortController()
	if (!parent) return { controller, release: () => {} }
	if (parent.aborted) {
		controller.abort(parent.reason)
		return { controller, release: () => {} }
	}
	const onAbort = () => controller.abort(parent.reason)
	parent.addEventListener('abort', onAbort, { once: true })
	return { controller, release: () => parent.removeEventListener('abort', onAbort) }
}

/** Waits for it as long as the signal lets. @throws `signal.reason` when it does not; what is waited for goes on */
export function heedingAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
	signal.throwIfAborted()
	const { promise: aborted, reject } = Promise.withResolvers<never>()
	const abort = () => reject(signal.reason)
	signal.addEventListener('abort', abort, { once: true })
	return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort))
}

/**
 * Ends a request, and what of its answer is still to come, when a signal aborts that is one for this request. Node's own option for it
 * costs more than these lines.
 */
export function destroyOnAbort(request: ClientRequest, signal: AbortSignal): void {
	const abort = () => void request.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
	if (signal.aborted) abort()
	signal.addEventListener('abort', abort, { once: true })
}
