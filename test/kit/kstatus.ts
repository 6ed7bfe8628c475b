// The rules that tools such as `kubectl wait`, Flux and Argo CD read a status by, and ours on top of them.
import { REASONS } from '../../operator/src/api/conditions.ts'
import type { BindingStatus, Condition } from '../../operator/src/api/schema.ts'

/** A binding as the API server shows it. */
export interface Versioned {
	metadata: { name: string; generation: number; uid?: string; resourceVersion?: string; deletionTimestamp?: string }
	status?: BindingStatus
}

export type KStatus = 'InProgress' | 'Failed' | 'Current' | 'Terminating'

/**
 * What kstatus makes of a custom resource (sigs.k8s.io/cli-utils/pkg/kstatus, `checkGenericProperties` and the rule for
 * `Ready` after it), in its order.
 *
 * 1. A deletion under way, then a status that is about an older spec.
 * 2. `Reconciling`, then `Stalled`, while they are True.
 * 3. `Ready`: anything but True is progress. Without it the resource counts as current.
 */
export function kstatus({ metadata, status }: Versioned): KStatus {
	if (metadata.deletionTimestamp !== undefined) return 'Terminating'
	if (status?.observedGeneration !== undefined && status.observedGeneration !== metadata.generation) return 'InProgress'
	const of = (type: string) => status?.conditions?.find((each) => each.type === type)?.status
	if (of('Reconciling') === 'True') return 'InProgress'
	if (of('Stalled') === 'True') return 'Failed'
	const ready = of('Ready')
	return ready === undefined || ready === 'True' ? 'Current' : 'InProgress'
}

const TYPES: ReadonlySet<string> = new Set(['Ready', 'Fresh', 'Reconciling', 'Stalled'])
// As metav1.Time writes it.
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/
// Both sides of a test run on one machine; a second is what the format cuts off.
const AHEAD_MS = 1_000

/**
 * Rules that a version of a binding's status breaks, as sentences; none for one that nobody wrote yet.
 *
 * @param before the version before it, of the same object
 */
export function brokenRules(now: Versioned, before?: Versioned, wallClock: () => number = Date.now): string[] {
	const { metadata, status } = now
	if (!status || Object.keys(status).length === 0) return []
	const { conditions = [], observedGeneration } = status
	// The default of the definition: nobody has looked at it yet.
	if (observedGeneration === -1 && conditions.length === 0) return []
	const broken: string[] = []
	const rule = (holds: boolean, text: string) => {
		if (!holds) broken.push(text)
	}
	rule(observedGeneration !== undefined, 'the status says which generation it is about')
	rule((observedGeneration ?? 0) <= metadata.generation, 'observedGeneration is not ahead of the generation')
	rule((observedGeneration ?? 0) >= (before?.status?.observedGeneration ?? -1), 'observedGeneration does not go back')
	const types = conditions.map(({ type }) => type)
	rule(new Set(types).size === types.length, 'each type of condition is there once')
	for (const type of ['Ready', 'Fresh']) rule(types.includes(type), `${type} is there`)
	rule(!(types.includes('Reconciling') && types.includes('Stalled')), 'Reconciling and Stalled are never both there')
	const ready = conditions.find(({ type }) => type === 'Ready')
	for (const each of conditions) {
		const { type } = each
		rule(TYPES.has(type), `${type} is a type of ours`)
		if (type === 'Reconciling' || type === 'Stalled') {
			rule(each.status === 'True', `${type} is there only while it is True`)
			rule(ready?.status !== 'True', `${type} is not there while Ready is True`)
		}
		rule(each.observedGeneration === observedGeneration, `${type} is about the generation of the whole status`)
		rule(Object.hasOwn(REASONS, each.reason), `the reason of ${type} is listed: ${each.reason}`)
		rule(each.message.trim() !== '', `${type} has a message`)
		const was = before?.status?.conditions?.find((other) => other.type === type)
		for (const text of brokenTimes(each, was, wallClock())) broken.push(text)
	}
	return broken
}

function brokenTimes(now: Condition, was: Condition | undefined, wallClock: number): string[] {
	const { type, status, lastTransitionTime } = now
	const at = Date.parse(lastTransitionTime)
	if (!TIME.test(lastTransitionTime) || Number.isNaN(at)) return [`lastTransitionTime of ${type} is a time in UTC`]
	const broken: string[] = []
	if (at > wallClock + AHEAD_MS) broken.push(`lastTransitionTime of ${type} is not in the future`)
	if (was && was.status === status && was.lastTransitionTime !== lastTransitionTime)
		broken.push(`lastTransitionTime of ${type} stays while its status stays`)
	if (was && was.status !== status && at < Date.parse(was.lastTransitionTime))
		broken.push(`lastTransitionTime of ${type} does not go back`)
	return broken
}

/** The ways a condition went, each as `from → to` by status and reason, in order; `absent` while it is not there. */
export function transitions(versions: readonly Versioned[], type: string): string[] {
	const ways: string[] = []
	let at = 'absent'
	for (const { status } of versions) {
		const condition = status?.conditions?.find((each) => each.type === type)
		const next = condition ? `${condition.status} ${condition.reason}` : 'absent'
		if (next !== at) ways.push(`${at} → ${next}`)
		at = next
	}
	return ways
}

/** Conditions that went the same way twice: one fault that comes and goes turns each at most once each way. */
export function flaps(versions: readonly Versioned[]): string[] {
	return [...TYPES].flatMap((type) => {
		const ways = transitions(versions, type)
		return ways.filter((way, i) => ways.indexOf(way) !== i).map((way) => `${type} went twice: ${way}`)
	})
}
