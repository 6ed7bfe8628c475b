/** Lets so many run at once; the others wait in turn. */
export interface Limit {
	/** Resolves to a function that gives the place back; rejects with `signal.reason` when the wait is aborted. */
	acquire(signal: AbortSignal): Promise<() => void>
}

export function createLimit(max: number): Limit {
	let running = 0
	const waiting = new Set<() => void>()
	const release = () => {
		running--
		const [next] = waiting
		next?.()
	}
	return {
		acquire: (signal) =>
			new Promise((resolve, reject) => {
				const start = () => {
					waiting.delete(start)
					signal.removeEventListener('abort', abort)
					running++
					let given = false
					resolve(() => {
						if (!given) release()
						given = true
					})
				}
				const abort = () => {
					waiting.delete(start)
					reject(signal.reason)
				}
				if (signal.aborted) abort()
				else if (running < max) start()
				else {
					waiting.add(start)
					signal.addEventListener('abort', abort, { once: true })
				}
			}),
	}
}
