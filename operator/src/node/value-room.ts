import type { Clock } from '../process/clock.ts'
import { createTurns, type Place } from '../process/turns.ts'

/** Whose pass it is. */
export interface Reader {
	readonly namespace: string
	readonly binding: string
	/** a pod waits for its first files */
	readonly isWaitedFor: boolean
}

/** The memory that passes of this node take for values while they are under way, all of them together. */
export interface ValueRoom {
	/**
	 * Waits until there is room for so many bytes. Namespaces take turns, and the passes of one have no more together than they leave to
	 * others; one alone may have all of it.
	 *
	 * @returns gives it back; twice is once
	 * @throws `signal.reason`
	 */
	take(reader: Reader, bytes: number, signal: AbortSignal): Promise<() => void>
	/** taken now */
	readonly bytes: number
	/** passes that wait for some */
	readonly waiting: number
}

// Two of the largest passes (reading.ts), or forty of a binding of twenty secrets. Beside the files of all volumes (64 MiB), what starts without
// a vault (8), answers that are kept (16), watches (45) and the process itself (100) that is 273 of the 384 MiB of deploy/kustomize/node;
// the rest is for what is not collected yet.
const LIMIT = 40 * 1024 * 1024
// Small ones go before a large one for which there is no room yet. After this they wait for it: what a vault that hangs keeps comes back within
// a minute (run/drive.ts).
const PATIENCE_MS = 5_000

interface Waiter {
	readonly namespace: string
	readonly bytes: number
	readonly since: number
	go(): void
}

export function createValueRoom(clock: Pick<Clock, 'monotonic'>, limit = LIMIT): ValueRoom {
	const waiting = createTurns<Waiter>()
	const taken = new Map<string, number>()
	let sum = 0
	const add = (namespace: string, bytes: number) => {
		sum += bytes
		const own = (taken.get(namespace) ?? 0) + bytes
		if (own > 0) taken.set(namespace, own)
		else taken.delete(namespace)
	}
	const mayHave = ({ namespace, bytes }: Waiter) => {
		const own = taken.get(namespace) ?? 0
		return own === 0 || own + bytes <= limit - (sum + bytes)
	}
	/** The next in turn for whom there is room. */
	const next = () => {
		const late = clock.monotonic() - PATIENCE_MS
		let isHeld = false
		return waiting.shift((_, each) => {
			if (isHeld || !mayHave(each)) return false
			if (sum + each.bytes <= limit) return true
			isHeld = each.since < late
			return false
		})
	}
	const pump = () => {
		for (let waiter = next(); waiter; waiter = next()) waiter.go()
	}
	/** Resolves when the bytes are taken. */
	const turnOf = (place: Place, bytes: number, signal: AbortSignal): Promise<void> =>
		new Promise((resolve, reject) => {
			const { group: namespace } = place
			const go = () => {
				signal.removeEventListener('abort', abort)
				add(namespace, bytes)
				resolve()
			}
			const waiter: Waiter = { namespace, bytes, since: clock.monotonic(), go }
			const abort = () => {
				waiting.remove(place, waiter)
				reject(signal.reason)
				// Others may have waited for it.
				pump()
			}
			signal.addEventListener('abort', abort, { once: true })
			waiting.add(place, waiter)
			pump()
		})
	return {
		async take({ namespace, binding, isWaitedFor }, wanted, signal) {
			signal.throwIfAborted()
			// What is more than there is would wait for ever.
			const bytes = Math.min(wanted, limit)
			await turnOf({ group: namespace, subgroup: binding, first: isWaitedFor }, bytes, signal)
			const began = clock.monotonic()
			let isTaken = true
			return () => {
				if (!isTaken) return
				isTaken = false
				add(namespace, -bytes)
				waiting.used(namespace, clock.monotonic() - began)
				pump()
			}
		},
		get bytes() {
			return sum
		},
		get waiting() {
			return waiting.size
		},
	}
}
