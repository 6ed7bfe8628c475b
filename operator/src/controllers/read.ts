import type { WantedSecret } from '../api/parse.ts'
import { deliveredSecret } from '../destinations/secret/secret-object.ts'
import { type Finding, isAbsent, matches } from '../engine/entry.ts'
import { traitsOf, type VaultFault } from '../engine/fault.ts'
import { type Flaw, flawOf, nextTurn, policyFor } from '../engine/flaw.ts'
import { giveForm, nameOfForm, type ParseCertificate, type ParsedCertificate } from '../engine/form.ts'
import type { Known } from '../engine/known.ts'
import { isSettled, probeOf, type SecretFacts } from '../engine/probe.ts'
import { nameBySelectors } from '../engine/select.ts'
import { standIn } from '../engine/versions.ts'
import { VaultError, type VaultSecret, type VersionFacts } from '../ports/vault.ts'
import { MAX_VERSION_PAGES } from '../status/messages.ts'
import type { Looking } from './look.ts'

type Group = readonly WantedSecret[]

/**
 * Reads what a group of wanted secrets is made of, and makes each of it.
 *
 * 1. The current version, or the pinned one.
 * 2. If it cannot be used, or not at this time, the policy decides; with `Previous` an older version is looked for.
 * 3. What selectors brought is judged by what the read tells of it: it is younger than the list.
 */
export async function readGroup(group: Group, looking: Looking): Promise<void> {
	const { session, ask, now, binding } = looking
	const [first] = group
	if (!first) return
	let secret: VaultSecret
	try {
		secret = await session.read(first.objectName, first.version, ask)
	} catch (error) {
		const fault = await explainAbsence(first, faultOf(error), looking)
		if (fault.kind === 'disabled') await useFlawed(group, 'disabled', undefined, looking)
		else noteFault(group, fault, looking)
		return
	}
	const { facts } = secret
	// Read later than the list, or in place of it: the tag may be gone by now.
	const selected = first.selected && first.version === undefined
	if (selected && nameBySelectors(binding.select, { ...first, ...facts }) !== first.name) {
		for (const { name } of group) looking.result.findings.set(name, { kind: 'leaves', why: 'deselected' })
		return
	}
	const flaw = flawOf(facts, now)
	if (flaw && policyFor(flaw, binding.policy, first.version !== undefined) !== 'Keep')
		await useFlawed(group, flaw, secret, looking)
	else noteValue(group, secret, { flaw }, looking)
}

/**
 * Looks whether a pinned version can still be used, without reading it. When the list of versions does not tell, the version
 * is read.
 */
export async function checkPin(group: Group, looking: Looking): Promise<void> {
	const { known, now, result } = looking
	const [first] = group
	if (!first) return
	const listed = await listVersions(first, looking)
	if (result.fault) return
	const facts =
		listed.kind === 'versions' ? listed.versions.find(({ version }) => version === first.version) : undefined
	const same = (one: Known | undefined) =>
		one !== undefined && facts !== undefined && isKnownAs(one, facts) && flawOf(facts, now) === one.flaw
	if (!group.every(({ name }) => same(known.get(name)))) return readGroup(group, looking)
	for (const { name } of group) {
		const one = known.get(name)
		if (!one) continue
		result.findings.set(name, one.finding ?? { kind: 'unchanged' })
		result.known.set(name, one)
	}
}

const isKnownAs = ({ probe }: Known, facts: VersionFacts) =>
	// After a restart the manifest stands for the probe; the first check reads the version and learns the probe.
	typeof probe === 'string' && probe === probeOf(facts)

/** The version is there and cannot be delivered as it is: what the policy says of that. `current`: it, if it could be read. */
async function useFlawed(group: Group, flaw: Flaw, current: VaultSecret | undefined, looking: Looking): Promise<void> {
	const { binding, result, items, listedAt, delivered, force, session, ask } = looking
	const [first] = group
	if (!first) return
	const listed = items?.get(first.objectName.toLowerCase())
	const facts = current?.facts ?? (first.version === undefined ? listed : undefined)
	// Without facts nothing is remembered: it is asked for at each look, so there is nothing to wait for.
	const settled = facts === undefined || isSettled(facts, current?.serverTime ?? listedAt)
	/** Without facts there is nothing to recognise it by, so it is asked for again. */
	const remember = (finding: Finding) => {
		for (const wanted of group) {
			result.findings.set(wanted.name, finding)
			if (facts) result.known.set(wanted.name, knownAs(wanted, facts, settled, finding, looking))
		}
	}
	const policy = policyFor(flaw, binding.policy, first.version !== undefined)
	if (policy !== 'Previous') {
		remember({ kind: 'flawed', flaw })
		return
	}
	const older = await listVersions(first, looking)
	if (result.fault) return
	let trouble = older.kind === 'fault' ? older.fault : undefined
	if (older.kind === 'versions') {
		const shown = deliveredSecret(delivered, first.name)?.version
		const found = standIn(older.versions, current?.version, shown, looking.now)
		if (found.kind === 'tie') trouble = { kind: 'versionTie' }
		if (found.kind === 'version') {
			const { version, ...olderFacts } = found.version
			const there = (wanted: WantedSecret) => {
				const before = deliveredSecret(delivered, wanted.name)
				return !force.has(wanted.name) && before?.version === version && matches(before, wanted)
			}
			if (group.every(there)) {
				remember({ kind: 'value', version, value: undefined, facts: olderFacts, settled, flaw, standsIn: true })
				return
			}
			try {
				const secret = await session.read(first.objectName, version, ask)
				noteValue(group, secret, { flaw, standsIn: true, facts, settled }, looking)
			} catch (error) {
				noteFault(group, faultOf(error), looking)
			}
			return
		}
	}
	// No older one: it is kept as with Keep. Key Vault itself heeds only `disabled`.
	if (current) noteValue(group, current, { flaw, trouble }, looking)
	else remember({ kind: 'flawed', flaw, trouble })
}

interface Note {
	flaw?: Flaw | undefined
	trouble?: VaultFault | undefined
	standsIn?: boolean
	/** of the current version, when another one stands in for it */
	facts?: SecretFacts | undefined
	settled?: boolean
}

function noteValue(group: Group, secret: VaultSecret, note: Note, looking: Looking): void {
	const { parseCertificate, result } = looking
	const { version, facts, serverTime } = secret
	const { flaw, trouble, standsIn = false } = note
	const value = secret.value()
	const parse = once(parseCertificate)
	for (const wanted of group) {
		const { name, version: pin, form } = wanted
		const formed = giveForm(form, value, facts.contentType, parse)
		if (formed.kind === 'fault') {
			// Not remembered as known: it is read again each time, until it or the spec is mended.
			result.findings.set(name, { kind: 'fault', fault: formed.fault, confirmed: false })
			continue
		}
		// A pinned version keeps its value, so there is nothing to wait for.
		const settled = note.settled ?? (pin !== undefined || isSettled(facts, serverTime))
		const finding: Finding = { kind: 'value', version, value: formed.content, facts, settled, flaw, standsIn, trouble }
		result.findings.set(name, finding)
		const seen = standsIn ? note.facts : facts
		// What is remembered holds no value.
		const again: Finding | undefined = flaw || trouble ? { ...finding, value: undefined } : undefined
		if (seen) result.known.set(name, knownAs(wanted, seen, settled, again, looking))
	}
}

/** @param facts of the current version, or of the pinned one */
const knownAs = (
	{ objectName, version, form }: WantedSecret,
	facts: SecretFacts,
	settled: boolean,
	finding: Finding | undefined,
	{ now, binding }: Looking,
): Known => ({
	objectName,
	pin: version,
	form: nameOfForm(form),
	probe: probeOf(facts),
	settled,
	flaw: flawOf(facts, now),
	turnAt: nextTurn(facts, binding.policy, now),
	finding,
})

function noteFault(group: Group, fault: VaultFault, looking: Looking): void {
	const { result, absentSince, ask, monotonic, delivered, items } = looking
	if (traitsOf(fault).session) {
		result.fault ??= fault
		return
	}
	for (const wanted of group) {
		const { name, objectName } = wanted
		const since = fault.kind === 'absent' ? (absentSince.get(name) ?? monotonic()) : undefined
		if (since !== undefined) result.absentSince.set(name, since)
		const before = deliveredSecret(delivered, name)
		// Marked already: the vault has said so for long enough before.
		const confirmed = since !== undefined && (before?.state === 'Absent' || isAbsent(since, ask.since))
		const finding: Finding = { kind: 'fault', fault, confirmed }
		result.findings.set(name, finding)
		// From here on a gap in the list says the same. Nothing hangs on it when nothing is delivered.
		if (since !== undefined && (confirmed || !before) && items && !items.has(objectName.toLowerCase()))
			result.known.set(name, absentAs(wanted, finding))
	}
}

export type Versions =
	| { kind: 'versions'; versions: readonly VersionFacts[] }
	/** why they are not known, when that is no matter of the whole session */
	| { kind: 'fault'; fault: VaultFault }

const absentAs = ({ objectName, version, form }: WantedSecret, finding: Finding): Known => ({
	objectName,
	pin: version,
	form: nameOfForm(form),
	probe: 'absent',
	settled: true,
	flaw: undefined,
	turnAt: undefined,
	finding,
})

/** The versions of a secret. A fault of the whole session ends the look as well. */
export async function listVersions({ objectName }: WantedSecret, { session, ask, result }: Looking): Promise<Versions> {
	try {
		const listing = await session.versions(objectName, { pages: MAX_VERSION_PAGES }, ask)
		if (listing.complete) return { kind: 'versions', versions: listing.versions }
		return { kind: 'fault', fault: { kind: 'historyTooLong' } }
	} catch (error) {
		const fault = faultOf(error)
		// With access policies it may be list alone that is denied.
		if (traitsOf(fault).session && fault.kind !== 'accessDenied') result.fault ??= fault
		return { kind: 'fault', fault }
	}
}

/** @throws what is no fault of the vault */
export function faultOf(error: unknown): VaultFault {
	if (error instanceof VaultError) return error.fault
	throw error
}

/** The files of a certificate are parts of one parsed value. */
export function once(parse: ParseCertificate): ParseCertificate {
	let parsed: ParsedCertificate | undefined
	return (value, contentType) => {
		parsed ??= parse(value, contentType)
		return parsed
	}
}

/** Absent is what a read without a version says. A pin that is not found may only be a wrong pin. */
async function explainAbsence(wanted: WantedSecret, fault: VaultFault, { session, ask }: Looking): Promise<VaultFault> {
	if (fault.kind !== 'absent' || wanted.version === undefined) return fault
	try {
		await session.read(wanted.objectName, undefined, ask)
		return { kind: 'versionAbsent' }
	} catch (error) {
		const current = faultOf(error)
		// A disabled current version says as well that the secret exists.
		return current.kind === 'disabled' ? { kind: 'versionAbsent' } : current
	}
}
