import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { Reason } from '../api/conditions.ts'
import type { WantedSecret } from '../api/parse.ts'
import type { Policy, SecretStatus } from '../api/schema.ts'
import { parseTime } from '../api/time.ts'
import { type Finding, matches } from './entry.ts'
import { type Flaw, flawOf, nextTurn, policyFor } from './flaw.ts'
import { nameOfForm } from './form.ts'
import { agrees, probeOf, type SecretFacts } from './probe.ts'

/** What we remember of a wanted secret between two polls. */
export interface Known {
	objectName: string
	pin: string | undefined
	/** how the bytes were made of the value; undefined: they are the value */
	form: string | undefined
	/**
	 * What the vault said when this was found out: its probe, or after a restart the entry of the manifest. For a gap in the
	 * list `'absent'`. Undefined: read the value whatever the list says.
	 */
	probe: string | ManifestSecret | undefined
	/** a second write within the same second can no longer hide; otherwise the value is read again */
	settled: boolean
	/** what was the matter with the version; its time may come or be over without any change in the vault */
	flaw: Flaw | undefined
	/** when time alone will change what the policy says of it, milliseconds since the epoch */
	turnAt: number | undefined
	/** what was found, when it is to be said again while nothing changes; undefined: that nothing has changed */
	finding: Finding | undefined
	/** what the status of the binding told of it then, when that was what was gone by */
	statusText?: string | undefined
}

// Vaults shrink and permissions come, so what was learnt about lists is forgotten. A list that turns out too long again costs
// its pages; a denied one costs one call, so it is tried more often.
const RELEARN_PAGES_MS = 8 * 3_600_000
const RELEARN_DENIED_MS = 3_600_000
/** Pinned and previous versions do not change, but they can be disabled: that is looked for at every 10th poll, because it costs a call each. */
export const VERSIONS_EVERY = 10

/** What is known about lists of one vault with one identity. */
export interface ListKnowledge {
	/** pages of the last whole list, or how many had been read when a list was broken off as too long */
	pages: number | undefined
	/** when that was learnt, monotonic milliseconds */
	at: number
	/** the identity may not list */
	denied: boolean
}

/**
 * Whether to list the vault or to ask for each secret.
 *
 * A list page costs one call and tells of 25 secrets, to all bindings of the session; a read costs one call and tells of one.
 * So list when that needs no more calls than reading what all of them follow would. When a binding needs all values anyway a
 * list tells it nothing new.
 *
 * @param followed distinct secrets that the session's bindings poll as often as this one, or more often
 * @param wanted those of this binding
 * @param needed how many of these are read whatever a list says
 * @param now monotonic milliseconds
 * @returns the highest number of pages that a list may cost, or undefined for reading each
 */
export function listPagesAllowed(
	{ followed, wanted, needed }: { followed: number; wanted: number; needed: number },
	list: ListKnowledge,
	now: number,
): number | undefined {
	if (needed >= wanted) return undefined
	const age = now - list.at
	if (list.denied && age < RELEARN_DENIED_MS) return undefined
	const rest = Math.max(followed, wanted) - needed
	if (list.pages !== undefined && list.pages > rest && age < RELEARN_PAGES_MS) return undefined
	return rest
}

/**
 * The same for wanted secrets that are made of one value: the files of a certificate, two properties of one text. They are
 * read by one call and change together, whatever is written to the vault meanwhile.
 */
export const objectKey = ({
	objectName,
	version,
}: {
	readonly objectName: string
	readonly version?: string | undefined
}): string => `${objectName.toLowerCase()}/${version ?? ''}`

/** Whether the value must be read without asking any list: nothing is known, or what is known may be out of date. */
export function mustRead(wanted: WantedSecret, known: Known | undefined): boolean {
	if (!known || known.objectName !== wanted.objectName || known.pin !== wanted.version) return true
	if (known.form !== nameOfForm(wanted.form)) return true
	return known.probe === undefined || !known.settled
}

/**
 * Whether a list shows that the value must be read. A gap only asks for the read, which may answer that it is absent; once
 * it has said so for long enough, the gap says the same.
 *
 * @param now milliseconds since the epoch
 */
export function mustReadAfterList(
	wanted: WantedSecret,
	known: Known,
	facts: SecretFacts | undefined,
	now: number,
): boolean {
	// The list shows the current version; a pin is another one, as a rule.
	if (wanted.version !== undefined) return false
	if (facts === undefined) return known.probe !== 'absent'
	if (typeof known.probe === 'object' ? !agrees(known.probe, facts) : probeOf(facts) !== known.probe) return true
	return flawOf(facts, now) !== known.flaw
}

/** Reasons that never stand in the place of `Unsettled`; a fault does, when it comes before the value was read again. */
const SAID_WHEN_SETTLED: ReadonlySet<string> = new Set<Reason>([
	'SecretExpired',
	'SecretNotYetValid',
	'VersionTie',
	'HistoryTooLong',
])

/** Whether a status with that reason, or none, says that the version it tells of is settled. */
export const saysSettled = (reason: string | undefined): boolean =>
	reason === undefined || SAID_WHEN_SETTLED.has(reason)

/**
 * What a new process knows of a secret from the manifest of the Secret and the status of the binding. Only when both tell
 * of the same version, and the status has no reason behind which it may be unsettled, its value need not be read again.
 *
 * @param now milliseconds since the epoch
 */
export function knownAfterRestart(
	wanted: WantedSecret,
	inManifest: ManifestSecret | undefined,
	status: SecretStatus | undefined,
	policy: Policy,
	now: number,
): Known | undefined {
	if (!matches(inManifest, wanted) || inManifest.state !== 'Current') return undefined
	if (status?.version !== inManifest.version || !saysSettled(status.reason)) return undefined
	const seconds = <K extends string>(key: K, text: string | undefined) => {
		const ms = parseTime(text)
		return (ms === undefined ? {} : { [key]: ms / 1000 }) as { [P in K]?: number }
	}
	const facts: SecretFacts = {
		enabled: true,
		tags: {},
		...seconds('expires', inManifest.expires),
		...seconds('notBefore', inManifest.notBefore),
	}
	const flaw = flawOf(facts, now)
	// It expired, or its time came, while nobody looked: that has to be acted on.
	if (flaw && policyFor(flaw, policy, inManifest.pinned) !== 'Keep') return undefined
	return {
		objectName: wanted.objectName,
		pin: wanted.version,
		form: inManifest.form,
		probe: inManifest,
		settled: true,
		flaw,
		turnAt: nextTurn(facts, policy, now),
		finding: flaw && { kind: 'unchanged', flaw },
	}
}
