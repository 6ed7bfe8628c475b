/** Reason of the stop signal. */
export class StopRequested extends Error {
	override readonly name = 'StopRequested'
}

export interface ShutdownOptions {
	/** time between the request to stop and `onDeadline`, milliseconds */
	deadlineMs: number
	/** the stop took too long, or was asked for twice: the caller ends the process */
	onDeadline: () => void
	/** told once, with the name of the signal */
	onStop?: ((signal: string) => void) | undefined
	/** default: this process */
	source?: Pick<NodeJS.Process, 'on' | 'off'> | undefined
}

export interface Shutdown {
	/** aborts when the process is asked to stop; the only stop signal there is */
	signal: AbortSignal
	/** stops for a reason of our own, such as a lost lease; the same deadline applies */
	stop(reason: string): void
	/** takes the listeners and the timer back: everything has ended in time */
	dispose(): void
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** One AbortSignal for SIGTERM and SIGINT. A second signal does not wait for the deadline: someone is impatient. */
export function createShutdown({ deadlineMs, onDeadline, onStop, source = process }: ShutdownOptions): Shutdown {
	const controller = new AbortController()
	let timer: NodeJS.Timeout | undefined
	const stop = (why: string) => {
		if (controller.signal.aborted) return
		// Not unref'ed: a stop that waits for something that holds no handle must still end.
		timer = setTimeout(onDeadline, deadlineMs)
		onStop?.(why)
		controller.abort(new StopRequested(`asked to stop: ${why}`))
	}
	const onSignal = (name: string) => {
		if (controller.signal.aborted) onDeadline()
		else stop(name)
	}
	for (const name of SIGNALS) source.on(name, onSignal)
	return {
		signal: controller.signal,
		stop,
		dispose() {
			clearTimeout(timer)
			for (const name of SIGNALS) source.off(name, onSignal)
		},
	}
}
