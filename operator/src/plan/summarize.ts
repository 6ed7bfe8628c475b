import type { ConditionType, Reason } from '../api/conditions.ts'
import { HOLD_ANNOTATION } from '../api/constants.ts'
import type { WantedSecret } from '../api/parse.ts'
import type { BindingStatus, Condition, SecretStatus } from '../api/schema.ts'
import { formatTime, parseTime } from '../api/time.ts'
import { vaultNameOf } from './commands.ts'
import { retryAfterOf, sameFault, TRANSIENT, traitsOf, type VaultFault } from './fault.ts'
import type { EntryResult } from './found.ts'
import { explainFault, explainHeldRemovals, explainNotes, type FaultContext, listed } from './messages.ts'
import { breaksReady, type Outcome } from './outcome.ts'
import { backoffMs, spread } from './requeue.ts'
import { statusPatch } from './status.ts'

/** What is remembered between two reconciles of a binding, to tell a hiccup from an outage. */
export interface Track {
	/** failures in a row */
	failures: number
	/** since when, monotonic milliseconds */
	failingSince: number | undefined
	/** last successful look, milliseconds since the epoch */
	lastLook: number | undefined
}

export interface SummaryInput {
	outcome: Outcome
	/** undefined when the spec could not be read */
	spec:
		| {
				secrets: readonly WantedSecret[]
				secretName: string
				/** it has selectors, so more may be delivered than it names */
				selects: boolean
				/** of the binding */
				name: string
				interval: number
				staleAfter: number
				requested: string | undefined
		  }
		| undefined
	generation: number
	previous: BindingStatus
	track: Track
	/** wall clock, milliseconds */
	now: number
	/** monotonic, milliseconds */
	at: number
	/** in [0, 1) */
	random: number
}

export interface Summary {
	status: BindingStatus
	track: Track
	/** milliseconds until the next look; undefined: only when something changes */
	requeueMs: number | undefined
	/** the same of the next whole look: until then only what is due is looked at */
	wholeMs: number | undefined
	/** conditions whose status or reason changed */
	transitions: Condition[]
	level: 'debug' | 'info' | 'warn'
}

// Federation and role assignments take minutes to propagate (keyvault.md 3.3, 1.6): until then it is waiting, not failing.
const PROPAGATION_MS = 10 * 60_000
// Fresh turns False after max(3 intervals, 5 min) of an outage (design 6).
const GRACE_MS = 5 * 60_000
const GRACE_INTERVALS = 3
// lastCheckTime is written at most every 15 min, jittered by a tenth so that bindings do not write in step (design 3).
const CHECK_MS = 15 * 60_000
/** Whatever is wrong is tried again at least this often (design 6). */
export const RETRY_MAX_MS = 5 * 60_000
const DEFAULT_INTERVAL_MS = 60_000

type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>
const verdict = (status: Condition['status'], reason: Reason, message: string): Verdict => ({ status, reason, message })

/**
 * The one place where an outcome becomes conditions, requeue, transitions and log level.
 *
 * 1. The secrets: from the results of a look, or carried over from before, as far as the spec still wants them.
 * 2. The worst fault of the outcome, and since when there has been one.
 * 3. Fresh, then Ready, then Reconciling or Stalled while Ready is not True.
 * 4. Times are written only together with something else, or when the last one is old.
 */
export function summarize(input: SummaryInput): Summary {
	const { outcome, spec, generation, previous, now, at } = input
	const secrets = secretsOf(input)
	const worst = worstFault(outcome)
	const failing = worst !== undefined && traitsOf(worst.fault).class !== 'secret'
	const track: Track = {
		failures: failing || outcome.kind === 'refused' ? input.track.failures + 1 : 0,
		failingSince: failing ? (input.track.failingSince ?? at) : undefined,
		lastLook: outcome.kind === 'looked' && !failing ? now : (input.track.lastLook ?? parseTime(previous.lastCheckTime)),
	}
	const failingFor = track.failingSince === undefined ? 0 : at - track.failingSince

	const fresh = freshOf(input, worst, failingFor, track)
	const ready = readyOf(input, secrets, worst, track)
	const conditions = [
		condition('Ready', ready, input),
		condition('Fresh', fresh, input),
		...progressOf(input, ready, worst, failingFor).map(([type, v]) => condition(type, v, input)),
	]
	const status: BindingStatus = {
		observedGeneration: generation,
		conditions,
		secrets,
		synced: `${secrets.filter(({ version }) => version !== undefined).length}/${secrets.length}`,
		...optional('secretName', secretNameOf(input)),
		...optional('lastCheckTime', previous.lastCheckTime),
		...optional(
			'lastChangeTime',
			outcome.kind === 'looked' && outcome.changed ? formatTime(now) : previous.lastChangeTime,
		),
		...optional(
			'lastHandledRequest',
			outcome.kind === 'looked' || outcome.kind === 'failed'
				? (spec?.requested ?? previous.lastHandledRequest)
				: previous.lastHandledRequest,
		),
	}
	const checkDue = (parseTime(previous.lastCheckTime) ?? Number.NEGATIVE_INFINITY) + spread(CHECK_MS, input.random)
	const otherwiseChanged = statusPatch(previous, status) !== undefined
	if (track.lastLook !== undefined && outcome.kind === 'looked' && (otherwiseChanged || now >= checkDue)) {
		status.lastCheckTime = formatTime(track.lastLook)
	}
	return {
		status,
		track,
		...requeueOf(input, worst?.fault, failing, failingFor, track.failures),
		transitions: conditions.filter(({ type, status, reason }) => {
			const before = previous.conditions?.find((each) => each.type === type)
			return before?.status !== status || before.reason !== reason
		}),
		level:
			fresh.status === 'False' || ready.status === 'False'
				? 'warn'
				: outcome.kind === 'looked' && outcome.changed
					? 'info'
					: 'debug',
	}
}

const optional = <K extends string, V>(key: K, value: V | undefined) =>
	(value === undefined ? {} : { [key]: value }) as { [P in K]?: V }

function secretsOf({ outcome, spec, previous }: SummaryInput): SecretStatus[] {
	// What a selector brought and a policy took away is gone.
	if (outcome.kind === 'looked')
		return outcome.results.filter(({ wanted, remove }) => !(remove && wanted.selected)).map(statusOf)
	if (!spec) return previous.secrets ?? []
	const before = new Map((previous.secrets ?? []).map((secret) => [secret.name, secret]))
	const named = new Set(spec.secrets.map(({ name }) => name))
	const selected = spec.selects ? [...before.values()].filter(({ name }) => !named.has(name)) : []
	const explicit = spec.secrets.map((wanted): SecretStatus => {
		const known = before.get(wanted.name)
		const same =
			known?.objectName === wanted.objectName && (wanted.version === undefined || known.version === wanted.version)
		return same ? known : { name: wanted.name, objectName: wanted.objectName, state: 'Pending' }
	})
	return [...explicit, ...selected]
}

/** Versions under a name are shown only when they are of what is wanted there. */
function statusOf({ wanted, delivered, state, reason }: EntryResult): SecretStatus {
	const shown = state === 'Pending' ? undefined : delivered
	return {
		name: wanted.name,
		objectName: wanted.objectName,
		...optional('version', shown?.version),
		...optional('updated', shown?.updated),
		...optional('expires', shown?.expires),
		state,
		...optional('reason', reason),
	}
}

interface Worst {
	fault: VaultFault
	at: FaultContext
	names: string[]
}

// A missing permission explains more than an outage, and both more than one missing secret.
const SEVERITY = { permission: 2, transient: 1, secret: 0 } as const

function worstFault(outcome: Outcome): Worst | undefined {
	if (outcome.kind === 'failed') return { fault: outcome.fault, at: outcome.at, names: [] }
	if (outcome.kind !== 'looked') return undefined
	let worst = typeof outcome.selectors === 'object' ? outcome.selectors.failed : undefined
	for (const result of outcome.results) {
		if (!result.fault || !counts(result)) continue
		if (!worst || SEVERITY[traitsOf(result.fault).class] > SEVERITY[traitsOf(worst).class]) worst = result.fault
	}
	if (!worst) return undefined
	const found = worst
	const alike = outcome.results.filter(({ fault }) => fault !== undefined && sameFault(fault, found))
	const names = alike.map(({ wanted }) => wanted.name)
	return { fault: worst, at: outcome.at, names }
}

/** Whether a secret failed by the very fault that is to be explained: the others have their own words. */
function isAlike(outcome: Outcome, name: string, fault: VaultFault | undefined): boolean {
	if (outcome.kind !== 'looked' || !fault) return false
	const own = outcome.results.find(({ wanted }) => wanted.name === name)?.fault
	return own !== undefined && sameFault(own, fault)
}

/** What is not delivered because the vault or the policy says so keeps a binding from Ready, not from Fresh. */
const counts = ({ fault, asAsked }: EntryResult) => fault !== undefined && !asAsked

const isStale = ({ lastLook }: Track, spec: SummaryInput['spec'], now: number) =>
	spec !== undefined && lastLook !== undefined && now - lastLook > spec.staleAfter

function freshOf(input: SummaryInput, worst: Worst | undefined, failingFor: number, track: Track): Verdict {
	const { outcome, previous, spec } = input
	switch (outcome.kind) {
		case 'suspended':
			return verdict('Unknown', 'Suspended', 'spec.suspend is true: the vault is not looked at.')
		case 'invalid':
			return verdict('False', 'InvalidSpec', outcome.problem)
		case 'refused':
			return verdict('False', outcome.reason, outcome.message)
		case 'failed':
		case 'looked': {
			if (!worst) return outcome.kind === 'looked' ? goodOf(outcome, spec) : verdict('True', 'Current', AS_THE_VAULT)
			const before = previous.conditions?.find(({ type }) => type === 'Fresh')
			const grace = Math.max(GRACE_MS, GRACE_INTERVALS * (spec?.interval ?? DEFAULT_INTERVAL_MS))
			const transient = traitsOf(worst.fault).class === 'transient'
			// What is stale is not fresh, however short the outage: staleAfter may be as short as the grace.
			const hiccup = transient && failingFor < grace && !isStale(track, spec, input.now)
			// An outage of a minute hurts nobody and should not page anybody.
			if (hiccup && before?.status === 'True') return { status: 'True', reason: before.reason, message: before.message }
			// One outage is told once, though it shows now as a reset and now as a server error.
			if (transient && before?.status === 'False' && TRANSIENT.has(before.reason))
				return { status: 'False', reason: before.reason, message: before.message }
			return verdict('False', traitsOf(worst.fault).reason, explainFault(worst.fault, worst.at, worst.names))
		}
	}
}

const AS_THE_VAULT = 'What is delivered is what the vault says.'

/** Nothing failed: whether all is done, and what is worth to be known. */
function goodOf(
	{ results, removals, held, at }: Extract<Outcome, { kind: 'looked' }>,
	spec: SummaryInput['spec'],
): Verdict {
	if (removals) return verdict('False', 'RemovalsHeld', explainHeldRemovals(removals, at, spec?.name ?? ''))
	if (held.problem !== undefined)
		return verdict('False', 'HoldInvalid', `The annotation ${HOLD_ANNOTATION} is not followed: ${held.problem}.`)
	const notes = explainNotes(results)
	if (held.until !== undefined) {
		const until = formatTime(held.until)
		const text = `Until ${until} the annotation ${HOLD_ANNOTATION} holds ${listed(held.names)}, whatever the vault says. Remove it to end that.`
		return verdict('True', 'Held', [text, ...notes].join(' '))
	}
	return verdict('True', 'Current', [AS_THE_VAULT, ...notes].join(' '))
}

function readyOf(
	input: SummaryInput,
	secrets: readonly SecretStatus[],
	worst: Worst | undefined,
	track: Track,
): Verdict {
	const { outcome, spec, previous, generation, now } = input
	const before = previous.conditions?.find(({ type }) => type === 'Ready')
	if (outcome.kind === 'invalid') return verdict('False', 'InvalidSpec', outcome.problem)
	if (outcome.kind === 'suspended' || !spec) {
		if (before && before.observedGeneration === generation)
			return { status: before.status, reason: before.reason, message: before.message }
		return before?.status === 'True'
			? verdict('True', 'Suspended', 'spec.suspend is true: what was delivered stays as it was.')
			: verdict('Unknown', 'Suspended', 'spec.suspend is true: nothing is delivered.')
	}
	if (outcome.kind === 'refused' && breaksReady(outcome.reason))
		return verdict('False', outcome.reason, outcome.message)

	if (spec.selects && outcome.kind === 'looked' && secrets.length === 0) {
		if (typeof outcome.selectors !== 'object')
			return verdict(
				'False',
				'NothingSelected',
				`No secret of the vault ${vaultNameOf(outcome.at.vaultUrl)} matches a selector, so there is nothing to deliver. Write another prefix or other tags, or give a secret of the vault these tags.`,
			)
	}
	const never = spec.selects && secrets.length === 0 && before?.status !== 'True'
	if (never && worst)
		return verdict('False', traitsOf(worst.fault).reason, explainFault(worst.fault, worst.at, worst.names))
	const optionalNames = new Set(spec.secrets.filter(({ optional }) => optional).map(({ name }) => name))
	const named = new Set(spec.secrets.map(({ name }) => name))
	// What a selector brings may fail alone. When all of it does there is no Secret, and pods wait for that.
	const nothing = spec.selects && secrets.every(({ version }) => version === undefined)
	const missing = secrets.filter(
		({ name, version }) => version === undefined && (named.has(name) ? !optionalNames.has(name) : nothing),
	)
	if (missing.length > 0) {
		if (outcome.kind === 'refused') return verdict('False', outcome.reason, outcome.message)
		const names = missing.map(({ name }) => name)
		const text = `Not delivered: ${listed(names)}.`
		if (worst && traitsOf(worst.fault).class !== 'secret') {
			return verdict(
				'False',
				traitsOf(worst.fault).reason,
				`${text} ${explainFault(worst.fault, worst.at, worst.names)}`,
			)
		}
		const result =
			outcome.kind === 'looked' ? outcome.results.find(({ wanted }) => wanted.name === names[0]) : undefined
		const alike = names.filter((name) => isAlike(outcome, name, result?.fault))
		const why = result?.fault && outcome.kind === 'looked' ? ` ${explainFault(result.fault, outcome.at, alike)}` : ''
		return verdict('False', result?.reason ?? 'SecretAbsent', `${text}${why}`)
	}
	if (isStale(track, spec, now)) {
		return verdict(
			'False',
			'Stale',
			`The vault could not be looked at for longer than spec.refresh.staleAfter. ${worst ? explainFault(worst.fault, worst.at) : ''}`.trim(),
		)
	}
	return verdict('True', 'Delivered', `All secrets that the spec asks for are in the Secret ${spec.secretName}.`)
}

function progressOf(
	input: SummaryInput,
	ready: Verdict,
	worst: Worst | undefined,
	failingFor: number,
): [ConditionType, Verdict][] {
	const { outcome } = input
	// A delivered binding is done, also while the vault is away: kstatus would make a waiting rollout of it.
	if (ready.status === 'True') return []
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
		case 'looked':
			if (worst && traitsOf(worst.fault).class === 'transient') return on('Reconciling')
			if (worst && traitsOf(worst.fault).class === 'permission')
				return on(failingFor < PROPAGATION_MS ? 'Reconciling' : 'Stalled')
			// A secret that the vault does not have may be created any minute, or never.
			return on('Stalled')
	}
}

function condition(type: ConditionType, v: Verdict, { previous, generation, now }: SummaryInput): Condition {
	const before = previous.conditions?.find((each) => each.type === type)
	const lastTransitionTime = before?.status === v.status ? before.lastTransitionTime : formatTime(now)
	return { type, ...v, lastTransitionTime, observedGeneration: generation }
}

function secretNameOf({ outcome, spec, previous }: SummaryInput): string | undefined {
	const written = outcome.kind === 'looked' && outcome.results.some(({ delivered }) => delivered !== undefined)
	return written ? (spec?.secretName ?? previous.secretName) : previous.secretName
}

function requeueOf(
	{ outcome, spec, random, at }: SummaryInput,
	fault: VaultFault | undefined,
	failing: boolean,
	failingFor: number,
	failures: number,
): Pick<Summary, 'requeueMs' | 'wholeMs'> {
	const whole = (ms: number) => ({ requeueMs: ms, wholeMs: ms })
	const interval = spread(spec?.interval ?? DEFAULT_INTERVAL_MS, random)
	switch (outcome.kind) {
		case 'suspended':
			return { requeueMs: undefined, wholeMs: undefined }
		case 'invalid':
		case 'refused':
			return whole(Math.min(interval, RETRY_MAX_MS))
		case 'failed':
		case 'looked': {
			if (failing && fault) {
				const cap = failingFor < PROPAGATION_MS ? 60_000 : RETRY_MAX_MS
				return whole(Math.max(backoffMs(failures, cap, random), retryAfterOf(fault)))
			}
			if (outcome.kind === 'failed') return whole(interval)
			const next = Math.max(outcome.nextAt - at, 0)
			return { requeueMs: Math.min(next, outcome.again ?? next), wholeMs: next }
		}
	}
}
