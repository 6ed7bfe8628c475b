import { setFlagsFromString } from 'node:v8'
import type { Clock } from './clock.ts'

// A start of 1,000 bindings is busy all the time; polls of a quiet cluster are done within milliseconds.
const EVERY_MS = 5_000

export interface MemorySaverOptions {
	clock: Pick<Clock, 'sleep'>
	signal: AbortSignal
	/** whether work waits */
	isBusy: () => boolean
	/** default: V8's own */
	set?: ((isSaving: boolean) => void) | undefined
}

/**
 * While no work waits, V8 saves memory. Otherwise it keeps what a rush has taken for as long as there is a little to do all the time, as
 * polls are: it gives memory back only to a program that does next to nothing. While it saves, it collects in small steps eight seconds
 * after it had to collect. That costs processor time, so a rush goes without.
 *
 * Resolves when `signal` aborts.
 */
export async function saveMemory({ clock, signal, isBusy, set = setOfV8 }: MemorySaverOptions): Promise<void> {
	let isSaving = false
	while (!signal.aborted) {
		await clock.sleep(EVERY_MS, signal).catch(() => {})
		if (signal.aborted || isBusy() !== isSaving) continue
		isSaving = !isSaving
		set(isSaving)
	}
}

/** The flag is read each time that V8 decides about a collection. */
export const SAVER_FLAG = 'memory-saver-mode'
const setOfV8 = (isSaving: boolean) => setFlagsFromString(`--${isSaving ? '' : 'no-'}${SAVER_FLAG}`)
