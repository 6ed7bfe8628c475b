import type { Binding, WantedSecret } from '../api/parse.ts'
import { traitsOf, type VaultFault } from '../plan/fault.ts'
import { giveForm, nameOfForm, type ParseCertificate, type ParsedCertificate } from '../plan/form.ts'
import { type Finding, isAbsent } from '../plan/found.ts'
import {
	type Known,
	type ListKnowledge,
	listPagesAllowed,
	mustRead,
	mustReadAfterList,
	objectKey,
} from '../plan/look.ts'
import { isSettled, probeOf } from '../plan/probe.ts'
import { VaultError, type VaultListing, type VaultReader, type VaultSecret } from '../ports/vault.ts'

export interface LookInput {
	binding: Binding
	reader: VaultReader
	known: ReadonlyMap<string, Known>
	list: ListKnowledge
	/** number of this look */
	look: number
	/** names to read whatever is known: their bytes are missing or not ours */
	force: ReadonlySet<string>
	absentSince: ReadonlyMap<string, number>
	/** names that are delivered and marked absent already: the vault has said so for long enough before */
	markedAbsent: ReadonlySet<string>
	/** monotonic, milliseconds */
	at: number
	parseCertificate: ParseCertificate
	signal: AbortSignal
}

export interface LookResult {
	findings: Map<string, Finding>
	/** what to remember when the write that follows has succeeded */
	known: Map<string, Known>
	list: ListKnowledge
	absentSince: Map<string, number>
	/** the fault that ended the look early */
	fault: VaultFault | undefined
}

// As many as the limit of a vault lets run at once; more would only wait there.
const WORKERS = 4

/**
 * Looks at the vault for one binding.
 *
 * 1. Some secrets must be read whatever a list says. For the others, list when that is cheaper than reading them.
 * 2. What the list shows changed, or does not show, is read as well.
 * 3. Secrets that are made of one value are read by one call, all of them or none.
 * 4. A fault that every further call would meet ends the look; what was found out so far counts.
 */
export async function lookAtVault(input: LookInput): Promise<LookResult> {
	const { binding, reader, known, force, look, signal } = input
	const result: LookResult = {
		findings: new Map(),
		known: new Map(),
		list: input.list,
		absentSince: new Map(),
		fault: undefined,
	}
	const groups = new Map<string, WantedSecret[]>()
	for (const wanted of binding.secrets) {
		const key = objectKey(wanted)
		groups.set(key, [...(groups.get(key) ?? []), wanted])
	}
	const mustNow = (wanted: WantedSecret) => force.has(wanted.name) || mustRead(wanted, known.get(wanted.name), look)
	const toRead = new Set([...groups.values()].filter((group) => group.some(mustNow)))
	const allowed = listPagesAllowed(groups.size, toRead.size, input.list, look)
	const listing = allowed === undefined ? undefined : await tryList(input, allowed, result)
	if (result.fault) return fillIn(binding, result, result.fault)

	for (const group of groups.values()) {
		if (toRead.has(group)) continue
		const items = listing?.complete ? listing.items : undefined
		const changed = (wanted: WantedSecret) => {
			const before = known.get(wanted.name)
			return !before || mustReadAfterList(wanted, before, items?.get(wanted.objectName.toLowerCase()))
		}
		if (!items || group.some(changed)) {
			toRead.add(group)
			continue
		}
		for (const wanted of group) {
			const before = known.get(wanted.name)
			const facts = items.get(wanted.objectName.toLowerCase())
			result.findings.set(wanted.name, { kind: 'unchanged' })
			const probe = facts && wanted.version === undefined ? probeOf(facts) : before?.probe
			if (before) result.known.set(wanted.name, { ...before, probe })
		}
	}

	const queue = [...toRead]
	const work = async () => {
		for (let group = queue.shift(); group && !result.fault; group = queue.shift()) {
			signal.throwIfAborted()
			await readOne(group, input, result, reader)
		}
	}
	await Promise.all(Array.from({ length: Math.min(WORKERS, queue.length) }, work))
	return result.fault ? fillIn(binding, result, result.fault) : result
}

async function tryList(
	{ reader, look, signal, list }: LookInput,
	allowed: number,
	result: LookResult,
): Promise<VaultListing | undefined> {
	try {
		const listing = await reader.list(allowed, signal)
		result.list = { pages: listing.pages, at: look, denied: false }
		return listing
	} catch (error) {
		if (!(error instanceof VaultError)) throw error
		const { fault } = error
		// Roles can be given for single secrets, and access policies for get alone: then list is denied and reading works.
		if (fault.kind === 'forbiddenRbac' || fault.kind === 'accessDenied' || fault.kind === 'forbidden') {
			result.list = { ...list, at: look, denied: true }
			return undefined
		}
		result.fault = fault
		return undefined
	}
}

/** Reads what a group of wanted secrets is made of, and makes each of it. */
async function readOne(
	group: readonly WantedSecret[],
	input: LookInput,
	result: LookResult,
	reader: VaultReader,
): Promise<void> {
	const [first] = group
	if (!first) return
	let secret: VaultSecret
	try {
		secret = await reader.read(first.objectName, first.version, input.signal)
	} catch (error) {
		if (!(error instanceof VaultError)) throw error
		const fault = await explainAbsence(first, error.fault, reader, input.signal)
		if (traitsOf(fault).session) result.fault ??= fault
		else for (const { name } of group) noteFault(name, fault, input, result)
		return
	}
	const { version, facts, serverTime } = secret
	const value = secret.value()
	const parse = once(input.parseCertificate)
	for (const { name, objectName, version: pin, form } of group) {
		const formed = giveForm(form, value, facts.contentType, parse)
		if (formed.kind === 'fault') {
			// Not remembered as known: it is read again each time, until it or the spec is mended.
			result.findings.set(name, { kind: 'fault', fault: formed.fault, confirmed: false })
			continue
		}
		// A pinned version keeps its value, so there is nothing to wait for.
		const settled = pin !== undefined || isSettled(facts, serverTime)
		result.findings.set(name, { kind: 'value', version, value: formed.content, facts, settled })
		result.known.set(name, { objectName, pin, form: nameOfForm(form), probe: probeOf(facts), settled })
	}
}

function noteFault(name: string, fault: VaultFault, input: LookInput, result: LookResult): void {
	const since = fault.kind === 'absent' ? (input.absentSince.get(name) ?? input.at) : undefined
	if (since !== undefined) result.absentSince.set(name, since)
	const confirmed = since !== undefined && (input.markedAbsent.has(name) || isAbsent(since, input.at))
	result.findings.set(name, { kind: 'fault', fault, confirmed })
}

/** The files of a certificate are parts of one parsed value. */
function once(parse: ParseCertificate): ParseCertificate {
	let parsed: ParsedCertificate | undefined
	return (value, contentType) => {
		parsed ??= parse(value, contentType)
		return parsed
	}
}

/** Absent is what a read without a version says. A pin that is not found may only be a wrong pin. */
async function explainAbsence(
	wanted: WantedSecret,
	fault: VaultFault,
	reader: VaultReader,
	signal: AbortSignal,
): Promise<VaultFault> {
	if (fault.kind !== 'absent' || wanted.version === undefined) return fault
	try {
		await reader.read(wanted.objectName, undefined, signal)
		return { kind: 'versionAbsent' }
	} catch (error) {
		if (!(error instanceof VaultError)) throw error
		// A disabled current version says as well that the secret exists.
		return error.fault.kind === 'disabled' ? { kind: 'versionAbsent' } : error.fault
	}
}

/** Gives every secret that was not asked for the fault that ended the look. */
function fillIn(binding: Binding, result: LookResult, fault: VaultFault): LookResult {
	for (const { name } of binding.secrets) {
		if (!result.findings.has(name)) result.findings.set(name, { kind: 'fault', fault, confirmed: false })
	}
	return result
}
