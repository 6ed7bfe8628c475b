import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { Reason } from '../api/conditions.ts'
import type { WantedSecret } from '../api/parse.ts'
import { formatTime } from '../api/time.ts'
import type { Content } from './decode.ts'
import { traitsOf, type VaultFault } from './fault.ts'
import { nameOfForm } from './form.ts'
import type { SecretFacts } from './probe.ts'

/** What a look found out about one wanted secret. */
export type Finding =
	/** nothing has changed since it was delivered */
	| { kind: 'unchanged' }
	| { kind: 'value'; version: string; value: Content; facts: SecretFacts; settled: boolean }
	/** `confirmed`: the vault has said absent for long enough (only with kind absent) */
	| { kind: 'fault'; fault: VaultFault; confirmed: boolean }

/** What becomes of one wanted secret. */
export interface EntryResult {
	wanted: WantedSecret
	/** the bytes in the Secret after the write, described; undefined when there are none */
	delivered: ManifestSecret | undefined
	/** the new value to write; undefined: leave the key as it is */
	value: Content | undefined
	/** the key leaves the Secret, because the vault has no such secret and the policy says so */
	remove: boolean
	state: 'Current' | 'Absent' | 'Disabled' | 'Pending'
	reason: Reason | undefined
	fault: VaultFault | undefined
}

/** Whether the bytes that are delivered under a name are those of what is wanted under it. */
export function matches(delivered: ManifestSecret | undefined, wanted: WantedSecret): delivered is ManifestSecret {
	if (delivered === undefined) return false
	if (delivered.objectName.toLowerCase() !== wanted.objectName.toLowerCase()) return false
	if (delivered.form !== nameOfForm(wanted.form)) return false
	return wanted.version === undefined ? !delivered.pinned : delivered.pinned && delivered.version === wanted.version
}

/**
 * Decides about one secret. Only `absent`, confirmed, under the policy Remove, takes anything away.
 *
 * @param before what is delivered under the name, if its bytes are there
 * @param intact nobody else touched those bytes
 */
export function decideEntry(
	wanted: WantedSecret,
	finding: Finding,
	before: ManifestSecret | undefined,
	policy: 'Keep' | 'Remove',
	intact: boolean,
): EntryResult {
	const entry = (rest: Partial<EntryResult>): EntryResult => ({
		wanted,
		delivered: before,
		value: undefined,
		remove: false,
		state: 'Current',
		reason: undefined,
		fault: undefined,
		...rest,
	})
	switch (finding.kind) {
		case 'unchanged':
			return matches(before, wanted) ? entry({ state: shown(before.state) }) : entry({ state: 'Pending' })
		case 'value': {
			const delivered = describe(wanted, finding.version, finding.facts)
			// A version never changes its value, nor the bytes of the same form: what is there and untouched need not be written again.
			const there = intact && before?.version === finding.version && matches(before, wanted)
			return entry({
				delivered,
				value: there ? undefined : finding.value,
				reason: finding.settled ? undefined : 'Unsettled',
			})
		}
		case 'fault': {
			const { fault, confirmed } = finding
			const { reason } = traitsOf(fault)
			if (!matches(before, wanted)) {
				// Bytes of something else under this name are left alone until there are better ones: a pod may live on them.
				return entry({ state: fault.kind === 'absent' ? 'Absent' : 'Pending', reason, fault })
			}
			if (fault.kind === 'absent') {
				if (!confirmed) return entry({ state: shown(before.state), fault: undefined, reason: undefined })
				if (policy === 'Remove') return entry({ delivered: undefined, remove: true, state: 'Absent', reason, fault })
				return entry({ delivered: { ...before, state: 'Absent' }, state: 'Absent', reason, fault })
			}
			if (fault.kind === 'disabled') {
				return entry({ delivered: { ...before, state: 'Disabled' }, state: 'Disabled', reason, fault })
			}
			// Permissions, outages, a pin that is not there: nothing is known about the bytes, so they stay what they were.
			return entry({ state: shown(before.state), reason, fault })
		}
	}
}

function shown(state: ManifestSecret['state']): EntryResult['state'] {
	return state === 'Absent' || state === 'Disabled' ? state : 'Current'
}

function describe(wanted: WantedSecret, version: string, facts: SecretFacts): ManifestSecret {
	const time = <K extends string>(key: K, seconds: number | undefined) =>
		seconds === undefined ? {} : ({ [key]: formatTime(seconds * 1000) } as Record<K, string>)
	const form = nameOfForm(wanted.form)
	return {
		objectName: wanted.objectName,
		version,
		state: 'Current',
		pinned: wanted.version !== undefined,
		...time('created', facts.created),
		...time('updated', facts.updated),
		...time('notBefore', facts.notBefore),
		...time('expires', facts.expires),
		...(facts.contentType === undefined ? {} : { contentType: facts.contentType }),
		...(form === undefined ? {} : { form }),
		tags: {},
		previous: [],
	}
}

// A recovered secret answers 404 for some seconds (recorded: 2 to 4 s), so one answer is not enough (design 5).
export const ABSENT_AFTER_MS = 10_000

/** Whether a secret counts as absent: the vault said so at `since` and says so again at `now` (both monotonic, ms). */
export const isAbsent = (since: number, now: number) => now - since >= ABSENT_AFTER_MS
