import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { ConditionType } from '../api/conditions.ts'
import { optional } from '../api/optional.ts'
import type { BindingStatus, Condition, SecretStatus } from '../api/schema.ts'
import { formatTime, parseTime } from '../api/time.ts'
import { checkTimeEvery } from '../engine/by-status.ts'
import { type EntryResult, matches } from '../engine/entry.ts'
import { retryAfterOf, traitsOf, type VaultFault } from '../engine/fault.ts'
import type { PollHistory } from '../engine/knowledge.ts'
import { saysSettled } from '../engine/known.ts'
import { shownVersion } from '../engine/listed-version.ts'
import { withHelp } from './help.ts'
import { mainFaultOf } from './main-fault.ts'
import { CHECK_MS, conditionOf, failingOf } from './outage.ts'
import { statusPatch } from './patch.ts'
import { backoffMs, spread } from './requeue.ts'
import { freshOf, isDelivered, PROPAGATION_MS, progressOf, readyOf, type Situation, type Verdict } from './verdicts.ts'

export interface SummaryInput extends Pick<Situation, 'outcome' | 'spec' | 'generation' | 'previous' | 'slow'> {
	pollHistory: PollHistory
	/** what the files are known to be, when no poll has just said so; `vault`: of another one than that of the spec */
	fileEntries?: ReadonlyMap<string, ManifestSecret> | undefined
	/** until when operators before this process may have polled, milliseconds since the epoch; undefined: unknown */
	workedUntil: number | undefined
	/** wall clock, milliseconds */
	now: number
	/** monotonic, milliseconds */
	at: number
	/** in [0, 1) */
	random: number
}

export interface Summary {
	status: BindingStatus
	pollHistory: PollHistory
	/** monotonic time of the next poll; undefined: only when something changes */
	nextPollAt: number | undefined
	/**
	 * The same of the next whole poll: until then only what is due is looked at. The common time of a session is handed on to
	 * the fraction: a sum would be a little off, and each binding would ask anew.
	 */
	wholePollAt: number | undefined
	/** conditions whose status or reason changed */
	transitions: Condition[]
	level: 'debug' | 'info' | 'warn'
}

/** Whatever is wrong is tried again at least this often. */
export const RETRY_MAX_MS = 5 * 60_000
const DEFAULT_INTERVAL_MS = 60_000

/**
 * The one place where an outcome becomes conditions, requeue, transitions and log level.
 *
 * 1. The secrets: from the results of a poll, or carried over from before, as far as the spec still wants them.
 * 2. The worst fault of the outcome, and since when there has been one.
 * 3. Fresh, then Ready, then Reconciling or Stalled while Ready is not True.
 * 4. Times are written only together with something else, or when the last one is old.
 */
export function summarize(input: SummaryInput): Summary {
	const { outcome, spec, generation, previous, now, at } = input
	const secrets = secretsOf(input)
	const mainFault = mainFaultOf(outcome)
	const failing = mainFault !== undefined && traitsOf(mainFault.fault).class !== 'secret'
	const pollHistory: PollHistory = {
		failures: failing || outcome.kind === 'refused' ? input.pollHistory.failures + 1 : 0,
		failingSince: failing ? (input.pollHistory.failingSince ?? at) : undefined,
		cause: failing ? causeOf(mainFault.fault, input) : undefined,
		lastPoll: outcome.kind === 'polled' && !failing ? now : input.pollHistory.lastPoll,
	}
	const how = failingOf(failing ? mainFault.fault : undefined, pollHistory, spec, input)
	const situation = { outcome, spec, generation, previous, shown: secrets, mainFault, failing: how, slow: input.slow }
	const fresh = freshOf(situation)
	const ready = readyOf(situation)
	const conditions = [
		condition('Ready', ready, input),
		condition('Fresh', fresh, input),
		...progressOf(situation, ready).map(([type, v]) => condition(type, v, input)),
	]
	const status: BindingStatus = {
		observedGeneration: generation,
		conditions,
		secrets,
		synced: `${secrets.filter(isDelivered).length}/${secrets.length}`,
		...optional('vault', vaultOf(input)),
		...optional('secretName', secretNameOf(input)),
		...optional('lastCheckTime', previous.lastCheckTime),
		...optional(
			'lastChangeTime',
			outcome.kind === 'polled' && outcome.changed ? formatTime(changedAt(previous, now)) : previous.lastChangeTime,
		),
		...optional(
			'lastHandledRequest',
			outcome.kind === 'polled' || outcome.kind === 'failed'
				? (spec?.requested ?? previous.lastHandledRequest)
				: previous.lastHandledRequest,
		),
	}
	const otherwiseChanged = statusPatch(previous, status) !== undefined
	// With the change that tells of an outage the time is exact, for whoever looks at it and for the process after this one.
	const { lastPoll } = pollHistory
	const isCheckDue = otherwiseChanged || (outcome.kind === 'polled' && now >= checkDueAt(input))
	if (lastPoll !== undefined && isCheckDue) status.lastCheckTime = formatTime(lastPoll)
	return {
		status,
		pollHistory,
		...nextOf(input, mainFault?.fault, failing, how.forMs, pollHistory.failures),
		transitions: conditions.filter(({ type, status, reason }) => {
			const before = conditionOf(previous, type)
			return before?.status !== status || before.reason !== reason
		}),
		level:
			fresh.status === 'False' || ready.status === 'False'
				? 'warn'
				: outcome.kind === 'polled' && outcome.changed
					? 'info'
					: 'debug',
	}
}

/** A revision that got lost is taken from it, so it goes on, also when the clock was set back. */
function changedAt({ lastChangeTime }: BindingStatus, now: number): number {
	const before = parseTime(lastChangeTime) ?? now
	return before > now ? before + 1_000 : now
}

function causeOf(fault: VaultFault, { pollHistory, at }: SummaryInput): PollHistory['cause'] {
	const { reason } = traitsOf(fault)
	return pollHistory.cause?.reason === reason ? pollHistory.cause : { reason, since: at }
}

/** What is shown of each secret: of what a poll has just found out, or as before, put right by what the files are known to be. */
function secretsOf(input: SummaryInput): SecretStatus[] {
	const { fileEntries } = input
	return fileEntries ? shownOf(input).map((shown) => putRight(shown, fileEntries.get(shown.name))) : shownOf(input)
}

/** A status may not have been written, and what is carried over from before must not tell of files that are not there. */
function putRight(shown: SecretStatus, entry: ManifestSecret | undefined): SecretStatus {
	const { version: _, vault: __, ...rest } = shown
	if (!entry) return shown.version === undefined ? shown : { ...rest, state: 'Pending' }
	const { version, vault, state } = entry
	if (vault !== undefined) return { ...rest, ...optional('version', shownVersion(version)), vault, state: 'Pending' }
	// Bytes of another secret under this name, back in the vault that they are of: not what is asked for.
	if (entry.objectName.toLowerCase() !== shown.objectName.toLowerCase()) return { ...rest, state: 'Pending' }
	const isOver =
		shown.vault !== undefined ||
		(shown.version !== undefined && shown.version !== (shownVersion(version) ?? shown.version))
	if (!isOver) return shown
	// With its own times: those of the version that was told of before belong to that one.
	const { name, objectName, selected, reason } = shown
	return {
		name,
		objectName,
		...optional('version', shownVersion(version)),
		...optional('selected', selected),
		...optional('updated', entry.updated),
		...optional('expires', entry.expires),
		state,
		// It was read when it had just been written, maybe: a process that starts after us must not take it for settled.
		...optional('reason', saysSettled(reason) ? 'Unsettled' : reason),
	}
}

function shownOf({ outcome, spec, previous }: SummaryInput): SecretStatus[] {
	// What a selector brought and a policy took away is gone.
	if (outcome.kind === 'polled')
		return outcome.results
			.filter(({ wanted, remove }) => !(remove && wanted.selected))
			.map((each) => statusOf(each, isOfVolume(spec), isRemembered(spec)))
	if (!spec) return previous.secrets ?? []
	const before = new Map((previous.secrets ?? []).map((secret) => [secret.name, secret]))
	const named = new Set(spec.secrets.map(({ name }) => name))
	// Of a status that nodes go by it is said which these are: another one was an entry of the spec before.
	const isSelected = (secret: SecretStatus) => !named.has(secret.name) && (secret.selected ?? !isOfVolume(spec))
	// Nodes hold what selectors of before brought until a good poll has counted it among removals.
	const selected = spec.selects || isOfVolume(spec) ? [...before.values()].filter(isSelected) : []
	const explicit = spec.secrets.map((wanted): SecretStatus => {
		const known = before.get(wanted.name)
		const same =
			known?.objectName === wanted.objectName && (wanted.version === undefined || known.version === wanted.version)
		return same ? known : { name: wanted.name, objectName: wanted.objectName, state: 'Pending' }
	})
	return [...explicit, ...selected]
}

/** Versions under a name are shown only when they are of what is wanted there, or with the vault that they are of. */
function statusOf(
	{ wanted, inManifest, state, reason }: EntryResult,
	isVolume: boolean,
	remembers: boolean,
): SecretStatus {
	const isIt = matches(inManifest, wanted) || state === 'Deselected'
	const shown = (state !== 'Pending' && isIt) || inManifest?.vault !== undefined ? inManifest : undefined
	return {
		name: wanted.name,
		objectName: wanted.objectName,
		...optional('version', shownVersion(shown?.version)),
		...optional('vault', shown?.vault),
		...optional(
			'previous',
			isVolume && shown?.previous.length ? shown.previous.map(({ version }) => version) : undefined,
		),
		...optional('selected', remembers && wanted.selected ? wanted.selected : undefined),
		...optional('updated', shown?.updated),
		...optional('expires', shown?.expires),
		state,
		...optional('reason', reason),
	}
}

function condition(type: ConditionType, v: Verdict, { previous, generation, now }: SummaryInput): Condition {
	const before = conditionOf(previous, type)
	const lastTransitionTime = before?.status === v.status ? before.lastTransitionTime : formatTime(now)
	// Where somebody looks for the way out; the line that mends it stands alone above it, so that it can be copied.
	const message = v.status === 'False' ? withHelp(v.message, v.reason) : v.message
	return { type, ...v, message, lastTransitionTime, observedGeneration: generation }
}

/** When the time of the last poll is written again though nothing else changed. */
function checkDueAt({ spec, previous, random }: SummaryInput): number {
	const everyMs = spec && isOfVolume(spec) ? checkTimeEvery(spec.interval) : spread(CHECK_MS, random)
	return (parseTime(previous.lastCheckTime) ?? Number.NEGATIVE_INFINITY) + everyMs
}

/** Nodes deliver it. */
const isOfVolume = (spec: SummaryInput['spec']) => spec !== undefined && spec.secretName === undefined

const isRemembered = (spec: SummaryInput['spec']) => isOfVolume(spec) || spec?.remembers === true

/** Of which vault nodes are told, and a process after this one that finds no manifest. */
const vaultOf = ({ outcome, spec, previous }: SummaryInput): string | undefined => {
	if (!isRemembered(spec)) return undefined
	return outcome.kind === 'polled' ? outcome.at.vaultUrl : previous.vault
}

function secretNameOf({ outcome, spec, previous }: SummaryInput): string | undefined {
	// Forgotten, it would stay for ever.
	if (outcome.kind === 'polled' && outcome.formerName !== undefined) return outcome.formerName
	if (outcome.kind === 'polled' && isOfVolume(spec)) return undefined
	const written = outcome.kind === 'polled' && outcome.results.some(({ inManifest }) => inManifest !== undefined)
	return written ? (spec?.secretName ?? previous.secretName) : previous.secretName
}

function nextOf(
	{ outcome, spec, random, at }: SummaryInput,
	fault: VaultFault | undefined,
	failing: boolean,
	failingFor: number,
	failures: number,
): Pick<Summary, 'nextPollAt' | 'wholePollAt'> {
	const whole = (ms: number) => ({ nextPollAt: at + ms, wholePollAt: at + ms })
	const interval = spread(spec?.interval ?? DEFAULT_INTERVAL_MS, random)
	switch (outcome.kind) {
		case 'suspended':
			return { nextPollAt: undefined, wholePollAt: undefined }
		// Nothing tells of a grant. Whoever has just applied the binding grants now, and would wait for an interval; later few do.
		case 'refused':
			if (outcome.reason === 'NotGranted') return whole(Math.min(backoffMs(failures, RETRY_MAX_MS, random), interval))
			return whole(Math.min(interval, RETRY_MAX_MS))
		case 'invalid':
			return whole(Math.min(interval, RETRY_MAX_MS))
		case 'failed':
		case 'polled': {
			if (failing && fault) {
				const cap = failingFor < PROPAGATION_MS ? 60_000 : RETRY_MAX_MS
				return whole(Math.max(backoffMs(failures, cap, random), retryAfterOf(fault)))
			}
			if (outcome.kind === 'failed') return whole(interval)
			// It may have passed: then it is due now, and takes what was asked since that time.
			const next = outcome.nextAt
			return { nextPollAt: Math.min(next, outcome.again === undefined ? next : at + outcome.again), wholePollAt: next }
		}
	}
}
