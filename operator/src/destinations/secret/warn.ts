import type { EventReason } from '../../api/conditions.ts'
import { API_VERSION, KIND } from '../../api/constants.ts'
import type { SecretBinding } from '../../api/parse.ts'
import type { EventRecorder } from '../../ports/event-recorder.ts'
import type { KubeError } from '../../ports/kube-error.ts'
import { type Account, permitLine } from '../../status/commands.ts'
import { withLine } from '../../status/messages.ts'
import { type FixedUse, fixedMessage, ownerOf, type PodObject } from './pod-uses.ts'

// An event recorder sends 25 about one object at once; more owners than that are told nothing new by one more event.
const MAX_WARNED = 20
const REASONS = { fixed: 'PodsKeepOldValues', refused: 'PodsNotRefreshed' } as const satisfies Record<
	string,
	EventReason
>

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
		reason: REASONS.fixed,
		action: 'RefreshPods',
		note: fixedMessage(owner, delivery.name, uses),
	})
	return new Set([...warned, key])
}

/**
 * One event when pods may not be listed or annotated, for as long as this process remembers the binding: what is delivered is
 * as it should be, and late by what a kubelet takes.
 */
export function warnOfRefused(
	{ namespace, name, uid, delivery }: SecretBinding,
	{ missing }: KubeError,
	operator: Account,
	warned: ReadonlySet<string>,
	events: Pick<EventRecorder, 'record'>,
): ReadonlySet<string> {
	const what = missing ? `${missing.verb} ${missing.resource}` : 'refresh pods'
	const key = `${delivery.name}/${what}`
	if (warned.has(key)) return warned
	const text = `The operator may not ${what} in the namespace ${namespace}, so pods have a new value of the Secret ${delivery.name} only when their kubelet looks by itself, after a minute and a half. Write refreshPods: false, or let it:`
	events.record({
		regarding: { apiVersion: API_VERSION, kind: KIND, namespace, name, uid },
		type: 'Warning',
		reason: REASONS.refused,
		action: 'RefreshPods',
		note: withLine(text, missing && permitLine(missing, operator)),
	})
	return new Set([...warned, key])
}
