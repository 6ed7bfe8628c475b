import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
	/** Give up after this many milliseconds. Default 120 s: a kubelet whose pod nobody refreshes takes up to 90 s. */
	readonly timeoutMs?: number
	/** Pause between two polls, in milliseconds. */
	readonly everyMs?: number
}

/**
 * Looks again and again until `look` answers something other than undefined or false.
 *
 * Errors of a look count as "not yet"; the last one is the cause of the error thrown at the deadline, which names `what`.
 */
export async function until<T>(
	what: string,
	look: () => Promise<T | undefined | false>,
	{ timeoutMs = 120_000, everyMs = 250 }: UntilOptions = {},
): Promise<T> {
	const deadline = performance.now() + timeoutMs
	let last: unknown
	for (;;) {
		try {
			const found = await look()
			if (found !== undefined && found !== false) return found
			last = undefined
		} catch (error) {
			last = error
		}
		if (performance.now() > deadline) {
			const why = last instanceof Error ? `: ${last.message}` : ''
			throw new Error(`waited ${Math.round(timeoutMs / 1000)} s for ${what}${why}`, { cause: last })
		}
		await sleep(everyMs)
	}
}
