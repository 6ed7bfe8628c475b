import type { EventReason } from '../../api/conditions.ts'
import { API_VERSION, KIND } from '../../api/constants.ts'
import type { SecretBinding } from '../../api/parse.ts'
import type { EventRecorder } from '../../cluster/events.ts'
import { type FixedUse, fixedMessage, ownerOf, type PodObject } from './pods.ts'

// An event recorder sends 25 about one object at once; more owners than that are told nothing new by one more event.
const MAX_WARNED = 20
const REASON: EventReason = 'PodsKeepOldValues'

/**
 * One event for each owner of pods that keep old values, for as long as this process remembers the binding.
 *
 * @param warned owners that were told before @returns those that were told by now
 */
export function warnOfFixed(
	{ namespace, name, uid, delivery }: SecretBinding,
	pod: PodObject,
	uses: readonly FixedUse[],
	warned: ReadonlySet<string>,
	events: Pick<EventRecorder, 'record'>,
): ReadonlySet<string> {
	const owner = ownerOf(pod)
	const key = `${delivery.name}/${owner.kind}/${owner.name}`
	if (warned.has(key) || warned.size >= MAX_WARNED) return warned
	events.record({
		regarding: { apiVersion: API_VERSION, kind: KIND, namespace, name, uid },
		related: { ...owner, namespace },
		type: 'Warning',
		reason: REASON,
		action: 'RefreshPods',
		note: fixedMessage(owner, delivery.name, uses),
	})
	return new Set([...warned, key])
}
