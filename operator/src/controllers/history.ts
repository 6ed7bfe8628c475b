import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { previousFileName } from 'purista-azure-mounted-secret-store/manifest'
import type { WantedSecret } from '../api/parse.ts'
import { encode } from '../destinations/secret/rules.ts'
import { type Delivered, deliveredSecret, isIntact } from '../destinations/secret/secret-object.ts'
import { describePrevious, type EntryResult } from '../engine/entry.ts'
import { traitsOf, type VaultFault } from '../engine/fault.ts'
import { giveForm, nameOfForm } from '../engine/form.ts'
import { VERSIONS_EVERY } from '../engine/known.ts'
import { previousVersions } from '../engine/versions.ts'
import type { VersionFacts } from '../ports/vault.ts'
import type { Looking } from './look.ts'
import { faultOf, listVersions, once } from './read.ts'

/** For which delivered version, and how many, older versions were last looked for, and why not all could be found. */
export type HistoryKnown = Map<string, { version: string; count: number; trouble: VaultFault | undefined }>

export interface HistoryInput {
	looking: Looking
	/** what was learnt is added; it counts when the write that follows has succeeded */
	known: HistoryKnown
	/** base64 by key: the Secret as it was read back just now, when it was */
	data: Readonly<Record<string, string>> | undefined
	accepted: ReadonlyMap<string, string>
}

/** Whether the older versions of a secret have to be looked at: after each rotation, and every tenth time (design 5). */
export function isHistoryDue(
	{ wanted, delivered }: EntryResult,
	known: HistoryKnown,
	look: number,
	{ delivered: secret, accepted }: { delivered: Delivered | undefined; accepted: ReadonlyMap<string, string> },
): boolean {
	const { name, previous: count = 0 } = wanted
	if (count === 0 || !delivered) return false
	const last = known.get(name)
	if (last?.version !== delivered.version || last.count !== count || look % VERSIONS_EVERY === 0) return true
	return delivered.previous.some((_, i) => !isIntact(secret, previousFileName(name, i + 1), accepted))
}

/**
 * Brings the older versions beside a secret up to date.
 *
 * 1. The list of versions tells which they are; values are not read for that.
 * 2. Bytes that the Secret holds already are moved: the current version of before becomes the previous one without a read.
 * 3. Only the others are read from the vault.
 * 4. A fault that every further call would meet ends this, as it ends a look: the next look begins it anew.
 *
 * @returns the result with its older versions; what could not be found out leaves them as they are, and says why
 */
export async function followHistory(result: EntryResult, input: HistoryInput): Promise<EntryResult> {
	const { wanted, delivered } = result
	const { name, previous: count = 0 } = wanted
	if (!delivered || count === 0) return result
	const { looking, known } = input
	if (looking.result.fault) return withTrouble(result, looking.result.fault)
	const listed = await listVersions(wanted, looking)
	if (looking.result.fault) return withTrouble(result, looking.result.fault)
	if (listed.kind === 'fault') {
		// A list of this length is not for free: it is read again with the next rotation or the tenth look. A permission that is
		// missing is asked for at each look, for these are far apart by then and somebody waits for it.
		if (traitsOf(listed.fault).class === 'secret')
			known.set(name, { version: delivered.version, count, trouble: listed.fault })
		return withTrouble(result, listed.fault)
	}
	const isCurrent = wanted.version === undefined && result.state === 'Current'
	const { kept, tie } = previousVersions(listed.versions, { version: delivered.version, isCurrent }, count)
	const before = deliveredSecret(looking.delivered, name)
	const versions: VersionFacts[] = []
	const bytes = new Map<number, string>()
	for (const version of kept) {
		const index = versions.length
		const key = previousFileName(name, index + 1)
		const stays =
			before?.previous[index]?.version === version.version && isIntact(looking.delivered, key, input.accepted)
		const sameForm = before?.form === nameOfForm(wanted.form)
		if (!stays || !sameForm) {
			const moved = sameForm ? bytesOf(version.version, name, before, input) : undefined
			const read = moved ?? (await readOlder(wanted, version.version, looking))
			if (looking.result.fault) return withTrouble(result, looking.result.fault)
			if (typeof read === 'object') {
				// One that cannot be read or formed leaves no gap: the next older one moves up.
				continue
			}
			bytes.set(index, read)
		}
		versions.push(version)
	}
	known.set(name, { version: delivered.version, count, trouble: tie ? { kind: 'versionTie' } : undefined })
	return { ...result, delivered: { ...delivered, previous: versions.map(describePrevious) }, previous: bytes }
}

/** Says again what was the matter with older versions when they were last looked for: it is so until the next time. */
export function repeatTrouble(result: EntryResult, known: HistoryKnown): EntryResult {
	const last = known.get(result.wanted.name)
	const same = last?.version === result.delivered?.version && last?.count === result.wanted.previous
	return last?.trouble && same ? withTrouble(result, last.trouble) : result
}

/** Nothing older is wanted any more, or it was never. */
export const withoutHistory = (result: EntryResult): EntryResult =>
	(result.wanted.previous ?? 0) > 0 || !result.delivered
		? result
		: { ...result, delivered: { ...result.delivered, previous: [] } }

const withTrouble = (result: EntryResult, fault: VaultFault): EntryResult =>
	result.fault ? result : { ...result, fault, reason: result.reason ?? traitsOf(fault).reason }

/** Bytes of a version that lie in the Secret under another name. */
function bytesOf(
	version: string,
	name: string,
	before: ManifestSecret | undefined,
	{ data, looking, accepted }: HistoryInput,
): string | undefined {
	if (!before || !data) return undefined
	const places = [
		...(before.version === version ? [name] : []),
		...before.previous.flatMap((each, i) => (each.version === version ? [previousFileName(name, i + 1)] : [])),
	]
	const place = places.find((key) => isIntact(looking.delivered, key, accepted) && Object.hasOwn(data, key))
	return place === undefined ? undefined : data[place]
}

async function readOlder(
	wanted: WantedSecret,
	version: string,
	{ session, ask, parseCertificate, result }: Looking,
): Promise<string | VaultFault> {
	try {
		const secret = await session.read(wanted.objectName, version, ask)
		const formed = giveForm(wanted.form, secret.value(), secret.facts.contentType, once(parseCertificate))
		return formed.kind === 'fault' ? formed.fault : encode(formed.content)
	} catch (error) {
		const fault = faultOf(error)
		if (traitsOf(fault).session) result.fault ??= fault
		return fault
	}
}
