import type { Clock } from './clock.ts'
import type { Logger } from './purista.ts'
import type { State } from './state.ts'

/** A mounted secret whose expiry is near or past. */
export interface SecretExpiring {
	readonly name: string
	readonly version: string
	/** RFC 3339. */
	readonly expires: string
}

export type ExpiringListener = (event: SecretExpiring) => void | Promise<void>

// setTimeout takes at most 2^31 - 1 ms (24.8 days); a day is also short enough for a clock that was set.
const MAX_WAIT_MS = 86_400_000

/**
 * Tells of each mounted version once, when no more than `thresholdMs` are left until it expires.
 *
 * 1. After each new view, and when the next moment comes: for every entry with an expiry, in order of nothing.
 * 2. Told already for this version: nothing. Due: tell. Not due: it may be the next moment.
 */
export function watchExpiry(
	state: State,
	clock: Clock,
	logger: () => Logger,
	thresholdMs: number,
	listener: ExpiringListener,
): () => void {
	const told = new Map<string, string>()
	let cancelTimer = () => {}
	let ended = false
	let tail = Promise.resolve()

	const tell = (event: SecretExpiring) => {
		tail = tail.then(async () => {
			try {
				if (!ended) await listener(event)
			} catch (error) {
				logger().error(
					{ error: error instanceof Error ? error.name : typeof error },
					'a listener for expiring secrets failed',
				)
			}
		})
	}
	const look = () => {
		cancelTimer()
		const now = clock.now()
		let wait = MAX_WAIT_MS
		for (const name of told.keys()) if (!state.view.entries.has(name)) told.delete(name)
		for (const [name, { mounted, version }] of state.view.entries) {
			const meta = mounted?.meta
			// Aliases and vault names lead to an entry that has a file name of its own.
			if (mounted?.name !== name) continue
			// A write of this process lies over the mounted version: its expiry is not known here.
			if (meta?.expires === undefined || version !== meta.version || told.get(name) === meta.version) continue
			const left = Date.parse(meta.expires) - thresholdMs - now
			if (left > 0) wait = Math.min(wait, left)
			else {
				told.set(name, meta.version)
				tell({ name, version: meta.version, expires: meta.expires })
			}
		}
		cancelTimer = clock.after(wait, look)
	}

	state.start()
	const forget = state.onView(look)
	if (state.loaded) look()
	return () => {
		ended = true
		forget()
		cancelTimer()
	}
}
