import { API_VERSION, KIND } from '../api/constants.ts'
import type { BindingStatus, Condition } from '../api/schema.ts'
import type { Bindings } from '../ports/cluster.ts'
import type { EventRecorder } from '../ports/event-recorder.ts'
import { statusPatch } from '../status/patch.ts'
import type { Summary } from '../status/summarize.ts'
import type { WrittenStatus } from './remembered.ts'

export interface Reported {
	namespace: string
	name: string
	uid: string
	resourceVersion: string
}

/** A status, and the version of the binding that has it. */
export interface Present {
	status: BindingStatus
	resourceVersion: string
}

/**
 * Writes the status if it differs, and tells transitions as events.
 *
 * The answer to an earlier write may have got lost, and the watch be late: then the binding has another status than
 * `previous`, and what differs from that would be half of a status with times of its own. So the API server refuses it, and
 * the poll is repeated when the watch has shown what there is.
 *
 * @returns the status that was written, if one was
 */
export async function report(
	object: Reported,
	previous: Present,
	summary: Summary,
	deps: { bindings: Bindings; events: Pick<EventRecorder, 'record'> },
): Promise<WrittenStatus | undefined> {
	let written: WrittenStatus | undefined
	const patch = statusPatch(previous.status, summary.status)
	if (patch) {
		const { namespace, name } = object
		const resourceVersion = await deps.bindings.patchStatus(namespace, name, previous.resourceVersion, patch)
		// Gone: the watch will say so.
		if (resourceVersion === undefined) return undefined
		written = { status: summary.status, resourceVersion }
	}
	for (const { type, status, reason, message } of newsOf(summary.transitions)) {
		deps.events.record({
			regarding: {
				apiVersion: API_VERSION,
				kind: KIND,
				namespace: object.namespace,
				name: object.name,
				uid: object.uid,
			},
			type: status === 'False' ? 'Warning' : 'Normal',
			reason,
			action: type === 'Ready' ? 'Deliver' : 'Look',
			note: message,
		})
	}
	return written
}

/** Changes that are news. One cause that turns both conditions is told once: by Ready, whose message says more. */
function newsOf(transitions: readonly Condition[]): Condition[] {
	const ready = transitions.find(({ type }) => type === 'Ready')
	const fresh = transitions.find(({ type }) => type === 'Fresh')
	if (!ready || !fresh) return [ready, fresh].filter((each) => each !== undefined)
	const alike = ready.reason === fresh.reason || ready.reason === 'Stale' || fresh.reason === 'Current'
	return ready.status === fresh.status && alike ? [ready] : [ready, fresh]
}

/**
 * The status as it is now. The watch may still show the one before our own last write; resourceVersions of one kind grow, so
 * the object is newer exactly when its number is not lower.
 */
export function presentStatus(object: Reported, parsed: BindingStatus, written: WrittenStatus | undefined): Present {
	const shown = { status: parsed, resourceVersion: object.resourceVersion }
	if (!written) return shown
	const [seen, ours] = [object.resourceVersion, written.resourceVersion]
	const older = seen.length === ours.length ? seen < ours : seen.length < ours.length
	return older ? written : shown
}
