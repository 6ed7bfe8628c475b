import type { ManifestPrevious, ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { Reason } from '../api/conditions.ts'
import type { WantedSecret } from '../api/parse.ts'
import type { Policy } from '../api/schema.ts'
import { formatTime } from '../api/time.ts'
import type { Content } from './decode.ts'
import { traitsOf, type VaultFault } from './fault.ts'
import { type Flaw, policyFor } from './flaw.ts'
import { nameOfForm } from './form.ts'
import type { SecretFacts } from './probe.ts'

/** What a poll found out about one wanted secret. */
export type Finding =
	/** nothing has changed since it was delivered; `flaw`: what is the matter with it all the same; `tags`: as a list has them */
	| { kind: 'unchanged'; flaw?: Flaw | undefined; tags?: Record<string, string> | undefined }
	| {
			kind: 'value'
			version: string
			/** undefined: the bytes that are delivered are those of this version */
			value: Content | undefined
			facts: SecretFacts
			settled: boolean
			/** monotonic: when the vault answered it; undefined: in the poll that has found it */
			answeredAt?: number | undefined
			/** what is the matter with the current version, though something is delivered */
			flaw?: Flaw | undefined
			/** an older version stands in for the current one */
			standsIn?: boolean
			/** why the policy Previous could not be followed */
			trouble?: VaultFault | undefined
	  }
	/**
	 * the version cannot be delivered, or not under the policy; `trouble`: why no older one stands in; `hidden`: it is not seen
	 * whether it is selected any more, so no policy of its flaw takes it away yet
	 */
	| { kind: 'flawed'; flaw: Flaw; trouble?: VaultFault | undefined; hidden?: boolean }
	/** no selector wants it any more: the vault changed (`deselected`), or the selectors did */
	| { kind: 'leaves'; why: 'deselected' | 'selectors' }
	/** several secrets of the vault would have this file name */
	| { kind: 'collision' }
	/** `confirmed`: the vault has said absent for long enough (only with kind absent) */
	| { kind: 'fault'; fault: VaultFault; confirmed: boolean }

/** What becomes of one wanted secret. */
export interface EntryResult {
	wanted: WantedSecret
	/** what the manifest says of the bytes after the write; undefined when there are none */
	inManifest: ManifestSecret | undefined
	/** the new value to write; undefined: leave the key as it is */
	value: Content | undefined
	/** the key leaves the Secret, because a policy says so */
	remove: boolean
	/** with `remove`: what stays in place of nothing when the removal waits */
	instead: ManifestSecret | undefined
	state: 'Current' | 'Previous' | 'Absent' | 'Disabled' | 'Expired' | 'NotYetValid' | 'Deselected' | 'Pending'
	reason: Reason | undefined
	fault: VaultFault | undefined
	/** the fault is what the policy asked for, so what is delivered is as it should be */
	asAsked: boolean
	/** new bytes of older versions, by index in `inManifest.previous` */
	previous: ReadonlyMap<number, Content>
}

/**
 * Whether the bytes that are delivered under a name are those of what is wanted under it: of the vault that is wanted (then
 * `vault` does not stand there), the object, the form and the pin.
 */
export function matches(inManifest: ManifestSecret | undefined, wanted: WantedSecret): inManifest is ManifestSecret {
	// Another vault may have a secret of this name, and even a version of this id.
	if (inManifest === undefined || inManifest.vault !== undefined) return false
	if (inManifest.objectName.toLowerCase() !== wanted.objectName.toLowerCase()) return false
	if (inManifest.form !== nameOfForm(wanted.form)) return false
	return wanted.version === undefined ? !inManifest.pinned : inManifest.pinned && inManifest.version === wanted.version
}

/** What decides about a secret besides what was found. */
export interface EntryContext {
	policy: Policy
	/** nobody else touched the bytes that are delivered */
	intact: boolean
	/** keys of the tags that the spec names */
	tags: ReadonlySet<string>
}

/**
 * Decides about one secret. Only what is absent (confirmed), deselected or flawed is ever taken away, and only by the policy.
 *
 * @param there what is delivered under the name, if its bytes are there
 */
export function decideEntry(
	wanted: WantedSecret,
	finding: Finding,
	there: ManifestSecret | undefined,
	context: EntryContext,
): EntryResult {
	const before = there && broughtBy(wanted, there)
	const stays: EntryResult = {
		wanted,
		inManifest: before,
		value: undefined,
		remove: false,
		instead: undefined,
		state: matches(before, wanted) ? before.state : 'Pending',
		reason: undefined,
		fault: undefined,
		asAsked: false,
		previous: new Map(),
	}
	switch (finding.kind) {
		case 'unchanged':
			return unchanged(stays, finding, context)
		case 'value':
			return valueRead(stays, finding, context)
		case 'flawed':
			return flawed(stays, finding, context)
		case 'leaves':
			if (!before) return { ...stays, state: 'Deselected', reason: 'Deselected' }
			return keepOrRemove(
				finding.why === 'selectors' ? 'Remove' : context.policy.deselected,
				{ ...before, state: 'Deselected' },
				{ ...stays, state: 'Deselected', reason: 'Deselected' },
			)
		case 'collision':
			return { ...stays, reason: 'NameCollision', fault: { kind: 'nameCollision' } }
		case 'fault':
			return failed(stays, finding, context)
	}
}

/** Whether an entry or a selector asks for it may change without its bytes. */
function broughtBy({ selected }: WantedSecret, before: ManifestSecret): ManifestSecret {
	if ((before.selected ?? false) === (selected ?? false)) return before
	const { selected: _, ...rest } = before
	return selected ? { ...rest, selected: true } : rest
}

type Findings<K extends Finding['kind']> = Extract<Finding, { kind: K }>

/** Takes it away by policy, or marks what stays. */
const keepOrRemove = (how: 'Keep' | 'Remove', kept: ManifestSecret, rest: EntryResult): EntryResult =>
	how === 'Remove'
		? { ...rest, inManifest: undefined, remove: true, instead: kept, asAsked: true }
		: { ...rest, inManifest: kept }

function unchanged(stays: EntryResult, finding: Findings<'unchanged'>, { tags }: EntryContext): EntryResult {
	const { wanted, inManifest: before } = stays
	if (!matches(before, wanted)) return stays
	// The spec may name other tags than before.
	const named = finding.tags ? only(tags, finding.tags) : before.tags
	// The very same entry is compared at once, and there may be 500 of them.
	const inManifest = sameTags(named, before.tags) ? before : { ...before, tags: named }
	return { ...stays, inManifest, reason: finding.flaw && FLAWS[finding.flaw].reason }
}

function valueRead(stays: EntryResult, finding: Findings<'value'>, { intact, tags }: EntryContext): EntryResult {
	const { wanted, inManifest: before } = stays
	const { version, value, flaw, standsIn = false, trouble } = finding
	const same = matches(before, wanted)
	const state = standsIn ? 'Previous' : 'Current'
	// A version never changes its value, nor the bytes of the same form: what is there and untouched need not be written again.
	const there = intact && before?.version === version && same
	return {
		...stays,
		inManifest: {
			...describe(wanted, version, finding.facts, tags),
			state,
			previous: same ? before.previous : [],
		},
		value: there ? undefined : value,
		state,
		reason: finding.settled ? (trouble ? traitsOf(trouble).reason : flaw && FLAWS[flaw].reason) : 'Unsettled',
		fault: trouble,
	}
}

function flawed(
	stays: EntryResult,
	{ flaw, trouble, hidden }: Findings<'flawed'>,
	{ policy }: EntryContext,
): EntryResult {
	const { wanted, inManifest: before } = stays
	const { state, fault: own } = FLAWS[flaw]
	const fault = trouble ?? own
	const { reason } = traitsOf(fault)
	const isRemoved = !hidden && policyFor(flaw, policy, wanted.version !== undefined) === 'Remove'
	const how = isRemoved ? 'Remove' : 'Keep'
	if (!matches(before, wanted)) return instead(stays, how, { ...stays, state, reason, fault })
	const kept = flaw === 'disabled' ? ({ ...before, state: 'Disabled' } as const) : before
	return keepOrRemove(how, kept, { ...stays, state, reason, fault })
}

function failed(stays: EntryResult, { fault, confirmed }: Findings<'fault'>, { policy }: EntryContext): EntryResult {
	const { wanted, inManifest: before } = stays
	const { reason } = traitsOf(fault)
	const isAbsentNow = fault.kind === 'absent'
	if (!matches(before, wanted)) {
		if (!isAbsentNow) return { ...stays, reason, fault }
		const absent: EntryResult = { ...stays, state: 'Absent', reason, fault }
		// Nothing is there, and nothing is to be: older versions, which may be there alone, go as it would have.
		if (!before) return { ...absent, asAsked: true, remove: confirmed && policy.absent === 'Remove' }
		return instead(stays, confirmed ? policy.absent : 'Keep', absent)
	}
	// Permissions, outages, a pin that is not there: nothing is known about the bytes, so they stay what they were.
	if (!isAbsentNow) return { ...stays, reason, fault }
	if (!confirmed) return stays
	return keepOrRemove(policy.absent, { ...before, state: 'Absent' }, { ...stays, state: 'Absent', reason, fault })
}

/**
 * What is wanted cannot be delivered by policy, and under its name there may be bytes of something else. Those of another
 * object are left alone until there are better ones: a pod may live on them. Those of another vault go when the policy says
 * so. What stays is not as it was asked for.
 */
function instead(stays: EntryResult, how: 'Keep' | 'Remove', rest: EntryResult): EntryResult {
	const { inManifest: before } = stays
	if (!before) return how === 'Remove' ? { ...rest, asAsked: true } : rest
	if (how === 'Remove' && before.vault !== undefined) return keepOrRemove('Remove', before, rest)
	return { ...rest, state: 'Pending' }
}

const FLAWS = {
	disabled: { state: 'Disabled', reason: 'SecretDisabled', fault: { kind: 'disabled' } },
	expired: { state: 'Expired', reason: 'SecretExpired', fault: { kind: 'expired' } },
	notYetValid: { state: 'NotYetValid', reason: 'SecretNotYetValid', fault: { kind: 'notYetValid' } },
} as const satisfies Record<Flaw, Pick<EntryResult, 'state' | 'reason' | 'fault'>>

const only = (names: ReadonlySet<string>, tags: Record<string, string>) =>
	Object.fromEntries(Object.entries(tags).filter(([key]) => names.has(key)))

const sameTags = (a: Record<string, string>, b: Record<string, string>) =>
	Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, value]) => b[key] === value)

function describe(
	wanted: WantedSecret,
	version: string,
	facts: SecretFacts,
	named: ReadonlySet<string>,
): ManifestSecret {
	const form = nameOfForm(wanted.form)
	return {
		objectName: wanted.objectName,
		version,
		state: 'Current',
		pinned: wanted.version !== undefined,
		...(wanted.selected ? { selected: true } : {}),
		...time('created', facts.created),
		...time('updated', facts.updated),
		...time('notBefore', facts.notBefore),
		...time('expires', facts.expires),
		...(facts.contentType === undefined ? {} : { contentType: facts.contentType }),
		...(form === undefined ? {} : { form }),
		tags: only(named, facts.tags),
		previous: [],
	}
}

const time = <K extends string>(key: K, seconds: number | undefined) =>
	seconds === undefined ? {} : ({ [key]: formatTime(seconds * 1000) } as Record<K, string>)

/** An older version as the manifest has it. */
export const describePrevious = ({ version, created }: SecretFacts & { version: string }): ManifestPrevious => ({
	version,
	...time('created', created),
})

// A recovered secret answers 404 for some seconds, so one answer is not enough (FACTS.md#recovered-secrets).
export const ABSENT_AFTER_MS = 10_000

/**
 * Whether a secret counts as absent: the vault had said so by `since`, and says so again when it is asked at `again` or later
 * (both monotonic, ms). Questions wait, for the budget or for a slow answer, so it is not when the polls began that counts.
 */
export const isAbsent = (since: number, again: number) => again - since >= ABSENT_AFTER_MS
