import type { ConditionType, Reason } from '../api/conditions.ts'
import { HOLD_ANNOTATION } from '../api/constants.ts'
import type { WantedSecret } from '../api/parse.ts'
import type { BindingStatus, Condition, SecretStatus } from '../api/schema.ts'
import { formatTime } from '../api/time.ts'
import { ANSWERED, type FaultKind, traitsOf } from '../engine/fault.ts'
import { breaksReady, type Outcome } from '../engine/outcome.ts'
import { vaultNameOf } from './commands.ts'
import { isAlike, type MainFault } from './main-fault.ts'
import { explainFault, explainNotes, explainWaitingRemovals, listed } from './messages.ts'
import { conditionOf, type Failing, type RefreshRules, tellsOfPoll } from './outage.ts'
import { explainMinimum, explainPace, type Slow } from './pace.ts'

/** What conditions follow from. */
export interface Situation {
	outcome: Outcome
	/** undefined when the spec could not be read */
	spec:
		| (RefreshRules & {
				secrets: readonly WantedSecret[]
				/** undefined: nodes deliver it into volumes */
				secretName: string | undefined
				/** the status says what a manifest would: nodes go by it, or the Secret has none */
				remembers?: boolean | undefined
				/** who concludes this reads no values: nodes do, and tell of it at their pods */
				nodesRead?: boolean | undefined
				/** it has selectors, so more may be delivered than it names */
				selects: boolean
				/** of the binding */
				name: string
				requested: string | undefined
		  })
		| undefined
	generation: number
	previous: BindingStatus
	/** the interval is not kept */
	slow?: Slow | undefined
	/** what is shown of each secret now */
	shown: readonly SecretStatus[]
	mainFault: MainFault | undefined
	failing: Failing
}

/** Federation and role assignments take minutes to propagate (FACTS.md#propagation): until then it is waiting, not failing. */
export const PROPAGATION_MS = 10 * 60_000

export type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>
/** Whether the bytes are there that the spec asks for; those of another vault are not. */
export const isDelivered = ({ version, vault, updated, state }: SecretStatus): boolean =>
	// What is known by lists has a time in place of a version.
	vault === undefined && (version !== undefined || (updated !== undefined && state !== 'Pending'))
const asBefore = ({ status, reason, message }: Condition): Verdict => ({ status, reason, message })
const verdict = (status: Condition['status'], reason: Reason, message: string): Verdict => ({ status, reason, message })

export function freshOf({ outcome, previous, generation, spec, mainFault, failing, slow }: Situation): Verdict {
	switch (outcome.kind) {
		case 'suspended':
			return verdict('Unknown', 'Suspended', 'spec.suspend is true: the vault is not polled.')
		case 'invalid':
			return verdict('False', 'InvalidSpec', outcome.problem)
		case 'refused':
			return verdict('False', outcome.reason, outcome.message)
		case 'failed':
		case 'polled': {
			if (!mainFault)
				return outcome.kind === 'polled' ? goodOf(outcome, spec, slow) : verdict('True', 'Current', AS_THE_VAULT)
			const before = conditionOf(previous, 'Fresh')
			if (failing.hiccup && before && (before.status === 'True' || before.observedGeneration === generation))
				return asBefore(before)
			if (failing.isShown && before) return asBefore(before)
			if (isUnlisted(spec, mainFault))
				return verdict('False', traitsOf(mainFault.fault).reason, explainUnlisted(mainFault))
			return verdict(
				'False',
				traitsOf(mainFault.fault).reason,
				explainFault(mainFault.fault, mainFault.at, mainFault.names),
			)
		}
	}
}

// Answers to a list that say nothing of reading single secrets, which may be readable all the same.
const UNLISTED: ReadonlySet<FaultKind> = new Set(['forbiddenRbac', 'accessDenied', 'forbidden', 'listTooLarge'])

const isUnlisted = (spec: Situation['spec'], { fault }: MainFault): boolean =>
	spec?.nodesRead === true && UNLISTED.has(fault.kind)

const explainUnlisted = ({ fault, at }: MainFault) =>
	`The identity does not get the list of the vault, so each node asks for single secrets by itself and tells at its pods what it finds. ${explainFault(fault, at)}`

const AS_THE_VAULT = 'What is delivered is what the vault says.'

function paceNotes(spec: Situation['spec'], slow: Slow | undefined): string[] {
	if (!spec) return []
	const { interval, shorterInterval } = spec
	return [
		...(shorterInterval === undefined ? [] : [explainMinimum(shorterInterval, interval)]),
		...(slow ? [explainPace(slow, interval)] : []),
	]
}

/** Nothing failed: whether all is done, and what is worth to be known. */
function goodOf(
	{ results, removals, pins, at, withheld }: Extract<Outcome, { kind: 'polled' }>,
	spec: Situation['spec'],
	slow: Slow | undefined,
): Verdict {
	if (withheld) return verdict('False', withheld.reason, withheld.message)
	if (removals) return verdict('False', 'RemovalsHeld', explainWaitingRemovals(removals, at, spec?.name ?? ''))
	if (pins.problem !== undefined)
		return verdict('False', 'HoldInvalid', `The annotation ${HOLD_ANNOTATION} is not followed: ${pins.problem}.`)
	const notes = [...explainNotes(results), ...paceNotes(spec, slow)]
	if (pins.until !== undefined) {
		const until = formatTime(pins.until)
		const text = `Until ${until} the annotation ${HOLD_ANNOTATION} holds ${listed(pins.names)}, whatever the vault says. Remove it to end that.`
		return verdict('True', 'Held', [text, ...notes].join(' '))
	}
	return verdict('True', 'Current', [AS_THE_VAULT, ...notes].join(' '))
}

export function readyOf({ outcome, spec, previous, generation, shown, mainFault, failing }: Situation): Verdict {
	const before = conditionOf(previous, 'Ready')
	if (outcome.kind === 'invalid') return verdict('False', 'InvalidSpec', outcome.problem)
	if (outcome.kind === 'suspended' || !spec) {
		if (before && before.observedGeneration === generation) return asBefore(before)
		return before?.status === 'True'
			? verdict('True', 'Suspended', 'spec.suspend is true: what was delivered stays as it was.')
			: verdict('Unknown', 'Suspended', 'spec.suspend is true: nothing is delivered.')
	}
	if (outcome.kind === 'refused' && breaksReady(outcome.reason))
		return verdict('False', outcome.reason, outcome.message)
	// Whatever keeps the vault from being looked at, it says nothing of a Secret that could not be written.
	const same = before?.status === 'False' && before.observedGeneration === generation
	if (outcome.kind !== 'polled' && same && breaksReady(before.reason)) return asBefore(before)
	// What the vault said when it last answered is still what is missing.
	if (failing.hiccup && same && tellsOfPoll(before)) return asBefore(before)

	if (spec.selects && outcome.kind === 'polled' && shown.length === 0 && typeof outcome.selectors !== 'object') {
		return verdict(
			'False',
			'NothingSelected',
			`No secret of the vault ${vaultNameOf(outcome.at.vaultUrl)} matches a selector, so there is nothing to deliver. Write another prefix or other tags, or give a secret of the vault these tags.`,
		)
	}
	const never = spec.selects && shown.length === 0 && before?.status !== 'True'
	if (never && mainFault)
		return verdict(
			'False',
			traitsOf(mainFault.fault).reason,
			explainFault(mainFault.fault, mainFault.at, mainFault.names),
		)
	if (mainFault && isUnlisted(spec, mainFault))
		return verdict('Unknown', traitsOf(mainFault.fault).reason, explainUnlisted(mainFault))
	const missing = missingOf(spec, shown)
	if (missing.length > 0) return notDelivered(missing, outcome, mainFault)
	if (outcome.kind === 'polled' && outcome.withheld)
		return verdict('False', outcome.withheld.reason, outcome.withheld.message)
	if (failing.stale) {
		return verdict(
			'False',
			'Stale',
			`The vault could not be polled for longer than spec.refresh.staleAfter. ${mainFault ? explainFault(mainFault.fault, mainFault.at) : ''}`.trim(),
		)
	}
	return spec.secretName === undefined
		? verdict('True', 'Available', 'The vault has all secrets that the spec asks for, and pods may mount the volume.')
		: verdict('True', 'Delivered', `All secrets that the spec asks for are in the Secret ${spec.secretName}.`)
}

/** What the spec asks for and is not there. */
function missingOf(spec: NonNullable<Situation['spec']>, shown: readonly SecretStatus[]): SecretStatus[] {
	const optionalNames = new Set(spec.secrets.filter(({ optional }) => optional).map(({ name }) => name))
	const named = new Set(spec.secrets.map(({ name }) => name))
	// What a selector brings may fail alone. When all of it does there is no Secret, and pods wait for that.
	const nothing = spec.selects && !shown.some(isDelivered)
	// A file with bytes of another vault is no missing option.
	const isAskedFor = ({ name, vault }: SecretStatus) =>
		named.has(name) ? !optionalNames.has(name) || vault !== undefined : nothing
	return shown.filter((each) => !isDelivered(each) && isAskedFor(each))
}

/** Says which secrets are not there, and why the first of them is not. */
function notDelivered(missing: readonly SecretStatus[], outcome: Outcome, mainFault: MainFault | undefined): Verdict {
	if (outcome.kind === 'refused') return verdict('False', outcome.reason, outcome.message)
	const names = missing.map(({ name }) => name)
	const text = textOfMissing(missing, outcome)
	if (mainFault && traitsOf(mainFault.fault).class !== 'secret') {
		const why = explainFault(mainFault.fault, mainFault.at, mainFault.names)
		return verdict('False', traitsOf(mainFault.fault).reason, `${text} ${why}`)
	}
	if (outcome.kind !== 'polled') return verdict('False', 'SecretAbsent', text)
	const results = outcome.results.filter(({ wanted }) => names.includes(wanted.name))
	// What only waits for another one has no fault of its own.
	const result = results.find(({ fault }) => fault) ?? results[0]
	const alike = names.filter((name) => isAlike(outcome, name, result?.fault))
	const why = result?.fault ? [explainFault(result.fault, outcome.at, alike)] : []
	const waits = outcome.withheld ? [outcome.withheld.message] : []
	return verdict('False', result?.reason ?? 'SecretAbsent', [text, ...why, ...waits].join(' '))
}

/** Which are not there, and under which names there are still other bytes than the spec asks for. */
function textOfMissing(missing: readonly SecretStatus[], outcome: Outcome): string {
	const results = outcome.kind === 'polled' ? outcome.results : []
	const isOther = ({ name, vault }: SecretStatus) =>
		vault !== undefined || results.some((each) => each.wanted.name === name && each.inManifest !== undefined)
	const sentence = (text: string, of: readonly SecretStatus[]) =>
		of.length === 0 ? [] : [`${text}: ${listed(of.map(({ name }) => name))}.`]
	const none = missing.filter((each) => !isOther(each))
	return [...sentence('Not delivered', none), ...sentence('Still as it was before', missing.filter(isOther))].join(' ')
}

export function progressOf({ outcome, mainFault, failing }: Situation, ready: Verdict): [ConditionType, Verdict][] {
	// A delivered binding is done, also while the vault is away: kstatus would make a waiting rollout of it.
	if (ready.status === 'True') return []
	// Only nodes know: there is nothing under way here.
	if (ready.status === 'Unknown') return []
	const { reason, message } = ready
	const on = (type: 'Reconciling' | 'Stalled'): [ConditionType, Verdict][] => [
		[type, { status: 'True', reason, message }],
	]
	switch (outcome.kind) {
		case 'suspended':
			return []
		case 'invalid':
		case 'refused':
			return on('Stalled')
		case 'failed':
		case 'polled':
			if (breaksReady(reason) || (failing.hiccup && ANSWERED.has(reason))) return on('Stalled')
			if (mainFault && traitsOf(mainFault.fault).class === 'transient') return on('Reconciling')
			if (mainFault && traitsOf(mainFault.fault).class === 'permission')
				return on(failing.forMs < PROPAGATION_MS ? 'Reconciling' : 'Stalled')
			// A secret that the vault does not have may be created any minute, or never.
			return on('Stalled')
	}
}
