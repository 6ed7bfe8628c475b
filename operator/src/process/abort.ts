import type { ClientRequest, IncomingMessage } from 'node:http'

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
 * Sends a request, and resolves when its answer begins. The request, and what of its answer is still to come, is destroyed when a signal
 * aborts that is one for it: node's own option for that costs more than these lines.
 *
 * It settles whatever happens. Node is silent of a request that is destroyed while it has no connection yet (an agent that has no more of
 * them, a proxy that does not answer), and of one whose answer is a change of protocols that nobody asked for.
 *
 * @throws the signal's reason, or what broke it off
 */
export function answerTo(
	request: ClientRequest,
	body: string | undefined,
	signal: AbortSignal,
): Promise<IncomingMessage> {
	return new Promise((resolve, reject) => {
		const abort = () => {
			const reason = signal.reason instanceof Error ? signal.reason : new Error('aborted')
			request.destroy(reason)
			reject(reason)
		}
		// What comes after the answer has begun is told by the answer.
		request.on('error', reject)
		request.once('close', () => reject(new Error('the connection was closed without an answer')))
		request.once('response', (answer) => {
			// An error without a listener ends the process, and an answer may break off while nobody reads it.
			answer.on('error', () => {})
			resolve(answer)
		})
		if (signal.aborted) return abort()
		signal.addEventListener('abort', abort, { once: true })
		request.end(body)
	})
}
