import { linkAbort } from '../process/abort.ts'

export interface Deadline {
	readonly signal: AbortSignal
	readonly expired: boolean
	/** length of the timer that runs or ran last */
	readonly ms: number
	restart(ms: number): void
	stop(): void
	clear(): void
}

/** A signal that aborts with the caller's, or when its timer runs out. */
export function createDeadline(parent: AbortSignal | undefined, firstMs: number): Deadline {
	const { controller, release } = linkAbort(parent)
	let timer: NodeJS.Timeout | undefined
	let expired = false
	let ms = firstMs
	const stop = () => clearTimeout(timer)
	const restart = (next: number) => {
		stop()
		// A caller passes what is left of its own time, which may be over.
		ms = Math.max(Math.ceil(next), 0)
		timer = setTimeout(() => {
			expired = true
			controller.abort()
		}, ms)
	}
	restart(firstMs)
	return {
		signal: controller.signal,
		get expired() {
			return expired
		},
		get ms() {
			return ms
		},
		restart,
		stop,
		clear: () => {
			stop()
			release()
		},
	}
}
