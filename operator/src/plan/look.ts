import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import type { WantedSecret } from '../api/parse.ts'
import type { SecretStatus } from '../api/schema.ts'
import { nameOfForm } from './form.ts'
import { matches } from './found.ts'
import { agrees, probeOf, type SecretFacts } from './probe.ts'

/** What we remember of a wanted secret between two looks. */
export interface Known {
	objectName: string
	pin: string | undefined
	/** how the bytes were made of the value; undefined: they are the value */
	form: string | undefined
	/**
	 * What the vault said when the delivered value was read: its probe, or after a restart the entry of the manifest.
	 * Undefined: read the value whatever the list says.
	 */
	probe: string | ManifestSecret | undefined
	/** a second write within the same second can no longer hide; otherwise the value is read again */
	settled: boolean
}

// Vaults shrink and permissions come: what was learnt about lists is forgotten after this many looks (8 h at 60 s for pages;
// a denied list costs one call, so it is tried more often).
const RELEARN_PAGES = 480
const RELEARN_DENIED = 60
/** Pinned versions do not change, but they can be disabled: that is looked at every 10th time (design 5). */
const PIN_EVERY = 10

export interface ListKnowledge {
	/** pages of the last whole list, or how many had been read when a list was broken off as too long */
	pages: number | undefined
	/** the look at which that was learnt */
	at: number
	denied: boolean
}

/**
 * Whether to list the vault or to ask for each secret.
 *
 * A list page costs one call and tells of 25 secrets; a read costs one call and tells of one. So list when that needs no
 * more calls than reading every wanted secret would. When all values are needed anyway a list tells nothing new.
 *
 * @returns the highest number of pages that a list may cost, or undefined for reading each
 */
export function listPagesAllowed(
	wanted: number,
	needed: number,
	list: ListKnowledge,
	look: number,
): number | undefined {
	if (needed >= wanted) return undefined
	const age = look - list.at
	if (list.denied && age < RELEARN_DENIED) return undefined
	const rest = wanted - needed
	if (list.pages !== undefined && list.pages > rest && age < RELEARN_PAGES) return undefined
	return rest
}

/**
 * The same for wanted secrets that are made of one value: the files of a certificate, two properties of one text. They are
 * read by one call and change together, whatever is written to the vault meanwhile.
 */
export const objectKey = ({ objectName, version }: WantedSecret): string =>
	`${objectName.toLowerCase()}/${version ?? ''}`

/** Whether the value must be read without asking any list: nothing is known, or what is known may be out of date. */
export function mustRead(wanted: WantedSecret, known: Known | undefined, look: number): boolean {
	if (!known || known.objectName !== wanted.objectName || known.pin !== wanted.version) return true
	if (known.form !== nameOfForm(wanted.form)) return true
	if (known.probe === undefined || !known.settled) return true
	return wanted.version !== undefined && look % PIN_EVERY === 0
}

/** Whether a list shows that the value must be read. A gap only asks for the read, which may answer that it is absent. */
export function mustReadAfterList(wanted: WantedSecret, known: Known, facts: SecretFacts | undefined): boolean {
	if (facts === undefined) return true
	// The list shows the current version; a pin is another one, as a rule.
	if (wanted.version !== undefined) return false
	return typeof known.probe === 'object' ? !agrees(known.probe, facts) : probeOf(facts) !== known.probe
}

/**
 * What a new process knows of a secret from the manifest of the Secret and the status of the binding. Only when both tell
 * of the same version, and the status does not call it unsettled, its value need not be read again.
 */
export function knownAfterRestart(
	wanted: WantedSecret,
	delivered: ManifestSecret | undefined,
	status: SecretStatus | undefined,
): Known | undefined {
	if (!matches(delivered, wanted) || delivered.state !== 'Current') return undefined
	if (status?.version !== delivered.version || status.reason === 'Unsettled') return undefined
	return { objectName: wanted.objectName, pin: wanted.version, form: delivered.form, probe: delivered, settled: true }
}
