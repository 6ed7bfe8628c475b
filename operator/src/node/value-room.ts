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
// a vault (8), answers that are kept (16), watches (45) and the process itself (100), and with what small ones have besides (8), that is 281 of
// the 384 MiB of deploy/kustomize/node; the rest is for what is not collected yet.
const LIMIT = 40 * 1024 * 1024
// Small is a binding of twenty secrets. Two large ones whose vaults are slow have all the room for a minute, and others like them wait for
// theirs; who needs little does not wait for any of that. Of the limit: a fortieth is small, and a fifth is for these.
const SMALL = 1 / 40
const OF_SMALL = 1 / 5
// Small ones go before a large one for which there is no room yet. After this they wait for it: what a vault that hangs keeps comes back within
// a minute (run/drive.ts).
const PATIENCE_MS = 5_000

interface Waiter {
	readonly namespace: string
	readonly bytes: number
	readonly since: number
	go(part: Part): void
}

/** Room that is counted by itself. */
interface Part {
	readonly bytes: number
	/** Whether the namespace may have so many: together no more than it leaves to others, but one pass whatever it needs. */
	isFair(namespace: string, bytes: number): boolean
	fits(bytes: number): boolean
	add(namespace: string, bytes: number): void
}

function createPart(limit: number): Part {
	const taken = new Map<string, number>()
	let sum = 0
	return {
		get bytes() {
			return sum
		},
		isFair(namespace, bytes) {
			const own = taken.get(namespace) ?? 0
			return own === 0 || own + bytes <= limit - (sum + bytes)
		},
		fits: (bytes) => sum + bytes <= limit,
		add(namespace, bytes) {
			sum += bytes
			const own = (taken.get(namespace) ?? 0) + bytes
			if (own > 0) taken.set(namespace, own)
			else taken.delete(namespace)
		},
	}
}

/** @param ofSmall what those that need no more than `small` have besides, when there is no room for them in `limit` */
export function createValueRoom(
	clock: Pick<Clock, 'monotonic'>,
	limit = LIMIT,
	{ small, ofSmall } = { small: SMALL * limit, ofSmall: OF_SMALL * limit },
): ValueRoom {
	const waiting = createTurns<Waiter>()
	const ofAll = createPart(limit)
	const besides = createPart(ofSmall)
	/** The next in turn for whom there is room. */
	const next = () => {
		const late = clock.monotonic() - PATIENCE_MS
		let isHeld = false
		let part = ofAll
		const waiter = waiting.shift((_, { namespace, bytes, since }) => {
			part = ofAll
			const isFair = ofAll.isFair(namespace, bytes)
			if (!isHeld && isFair && ofAll.fits(bytes)) return true
			part = besides
			if (bytes <= small && besides.isFair(namespace, bytes) && besides.fits(bytes)) return true
			isHeld ||= isFair && since < late
			return false
		})
		return waiter && { waiter, part }
	}
	const pump = () => {
		for (let turn = next(); turn; turn = next()) turn.waiter.go(turn.part)
	}
	/** Resolves when the bytes are taken, with where. */
	const turnOf = (place: Place, bytes: number, signal: AbortSignal): Promise<Part> =>
		new Promise((resolve, reject) => {
			const { group: namespace } = place
			const go = (part: Part) => {
				signal.removeEventListener('abort', abort)
				part.add(namespace, bytes)
				resolve(part)
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
			const part = await turnOf({ group: namespace, subgroup: binding, first: isWaitedFor }, bytes, signal)
			const began = clock.monotonic()
			let isTaken = true
			return () => {
				if (!isTaken) return
				isTaken = false
				part.add(namespace, -bytes)
				waiting.used(namespace, clock.monotonic() - began)
				pump()
			}
		},
		get bytes() {
			return ofAll.bytes + besides.bytes
		},
		get waiting() {
			return waiting.size
		},
	}
}
