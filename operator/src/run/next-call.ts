import type { Remembered } from './remembered.ts'
import type { Reported } from './report.ts'

/** The watch shows the object that has our status, and with it the spec that the status is about: it was written to no other. */
export const isOwnWrite = ({ resourceVersion }: Reported, { written }: Remembered): boolean =>
	written !== undefined && written.resourceVersion === resourceVersion

/** A poll, or pods that wait to be told. */
export const isAnythingDue = (remembered: Remembered, at: number): boolean => dueAt(remembered, at) <= at

// Nothing that is due now is left undone, so this only keeps a mistake of ours from spinning: a busy loop loses the lease.
const MIN_CALL_MS = 50

/** Milliseconds until the binding wants to be called again; undefined: never, but for a change. */
export function nextCall(remembered: Remembered, at: number): number | undefined {
	const next = dueAt(remembered, at)
	return next === Number.POSITIVE_INFINITY ? undefined : Math.max(next - at, MIN_CALL_MS)
}

function dueAt({ knowledge: { nextPollAt }, refresh }: Remembered, at: number): number {
	return Math.min(nextPollAt ?? at, refresh?.dueAt ?? Number.POSITIVE_INFINITY)
}
