import { previousFileName } from 'purista-azure-mounted-secret-store/manifest'
import type { WantedSecret } from '../api/parse.ts'
import type { VersionFacts } from '../ports/vault.ts'
import type { StatusEntries } from './by-status.ts'
import type { Content } from './decode.ts'
import { describePrevious, type EntryResult } from './entry.ts'
import { traitsOf, type VaultFault } from './fault.ts'
import type { Broke } from './findings.ts'
import { nameOfForm } from './form.ts'
import type { Holding } from './holding.ts'
import type { OlderKnown } from './knowledge.ts'
import { VERSIONS_EVERY } from './known.ts'
import { shownVersion } from './listed-version.ts'
import { isIntact, secretInManifest } from './manifest-entry.ts'
import { type Asked, ask, type Piece } from './questions.ts'
import { contentsOf, listVersions } from './values.ts'
import { isAmong, newestVersion, previousVersions } from './versions.ts'

/** What older versions are looked for by. */
export interface OlderInput {
	readonly asked: Asked
	readonly vaultUrl: string
	/** number of this whole poll */
	readonly polls: number
	readonly holding: Holding | undefined
	/** bytes that the destination takes */
	readonly most: number
	/** names of files of others that hold our own bytes */
	readonly accepted: ReadonlyMap<string, string>
	readonly known: ReadonlyMap<string, OlderKnown>
	/** what the status tells, when that is what is gone by: it tells when the list of versions is worth a call */
	readonly statusEntries?: StatusEntries | undefined
}

/** What became of the older versions of all secrets. `known` counts when the write that follows has succeeded. */
export interface Older {
	readonly results: readonly EntryResult[]
	readonly known: ReadonlyMap<string, OlderKnown>
	readonly broke: Broke | undefined
}

/** Whether the older versions of a secret have to be looked at: after each rotation, and every tenth time by the way. */
export function isOlderDue(
	result: EntryResult,
	{ known, polls, holding, accepted, statusEntries }: Omit<OlderInput, 'asked'>,
): boolean {
	const { wanted, inManifest } = result
	const { name, previous: count = 0 } = wanted
	if (count === 0 || !inManifest) return false
	const last = known.get(name)
	if (last?.version !== inManifest.version || last.count !== count || last.isCurrent !== isCurrentOf(result))
		return true
	const isTime = polls % VERSIONS_EVERY === 0
	if (statusEntries ? isOlderNews(statusEntries, result, last, isTime) : isTime) return true
	return inManifest.previous.some((_, i) => !isIntact(holding, previousFileName(name, i + 1), accepted))
}

/**
 * Whether the status tells of other older versions than when they were looked for; or than there are, for who told may have
 * looked later: a version may have been disabled in between. What stays another, by a tie or a value that cannot be used, costs
 * a list at every tenth poll.
 */
function isOlderNews(
	statusEntries: StatusEntries,
	{ wanted, inManifest }: EntryResult,
	last: OlderKnown,
	isTime: boolean,
): boolean {
	if (!statusEntries.has(wanted.name)) return false
	const now = olderInStatus(statusEntries, wanted.name)
	return (
		last.statusText !== now || (isTime && (now ?? '') !== inManifest?.previous.map(({ version }) => version).join(' '))
	)
}

/**
 * Brings the older versions beside each secret up to date, one secret after the other: after a rotation it is one list of
 * versions, and the tenth poll is in no hurry.
 *
 * 1. The list of versions tells which they are; values are not read for that.
 * 2. Bytes that are there already are moved: the current version of before becomes the previous one without a read.
 * 3. Only the others are read from the vault.
 * 4. When there are more bytes than the destination takes, no more are read: nothing of it is written.
 * 5. A fault that every further question would meet ends this, as it ends a poll: the next poll begins it anew.
 */
export function* followOlder(given: readonly EntryResult[], input: OlderInput): Piece<Older> {
	const results: EntryResult[] = []
	const known = new Map(input.known)
	let broke: Broke | undefined
	let bytes = 0
	for (const result of given) {
		if (bytes > input.most || !isOlderDue(result, input)) {
			results.push(result)
			continue
		}
		const one: OneOlder = broke ? { result, broke } : yield* followOne(result, input)
		broke = one.broke
		for (const content of one.result.previous.values()) bytes += content.length
		results.push(broke?.kind === 'fault' ? withTrouble(result, broke.fault) : one.result)
		if (one.known) known.set(result.wanted.name, one.known)
	}
	return { results, known, broke }
}

const isCurrentOf = ({ wanted, state }: EntryResult) => wanted.version === undefined && state === 'Current'
const olderInStatus = (statusEntries: StatusEntries | undefined, name: string) =>
	statusEntries?.get(name)?.previous?.join(' ')

interface OneOlder {
	readonly result: EntryResult
	readonly known?: OlderKnown
	readonly broke?: Broke | undefined
}

function* followOne(result: EntryResult, input: OlderInput): Piece<OneOlder> {
	const { wanted, inManifest } = result
	const { previous: count = 0 } = wanted
	if (!inManifest) return { result }
	const isCurrent = isCurrentOf(result)
	const listed = yield* listVersions(wanted, input, ({ versions }) => isAmong(versions, inManifest.version))
	if ('broke' in listed) return { result, broke: listed.broke }
	if (listed.fault?.kind === 'absent') return { result }
	if (!listed.versions) {
		const trouble = listed.fault ?? { kind: 'historyTooLong' }
		// A list of this length is not for free: it is read again with the next rotation or the tenth poll. A permission that is
		// missing is asked for at each poll, for these are far apart by then and somebody waits for it.
		const known =
			traitsOf(trouble).class === 'secret'
				? {
						known: {
							version: inManifest.version,
							isCurrent,
							count,
							trouble,
							statusText: olderInStatus(input.statusEntries, wanted.name),
						},
					}
				: {}
		return { result: withTrouble(result, trouble), ...known }
	}
	// Known by lists alone it is the newest one. Of two of the same second either: whoever reads it looks for itself.
	const version = shownVersion(inManifest.version) ?? newestVersion(listed.versions)
	const { kept, tie } = previousVersions(listed.versions, { version, isCurrent }, count)
	const versions: VersionFacts[] = []
	const contents = new Map<number, Content>()
	for (const version of kept) {
		const index = versions.length
		const content = yield* olderContent(wanted, version.version, index, input)
		if (content.kind === 'broke') return { result, broke: content.broke }
		// One that cannot be read or formed leaves no gap: the next older one moves up.
		if (content.kind === 'unusable') continue
		if (content.kind === 'content') contents.set(index, content.content)
		versions.push(version)
	}
	return {
		result: { ...result, inManifest: { ...inManifest, previous: versions.map(describePrevious) }, previous: contents },
		known: {
			version: inManifest.version,
			isCurrent,
			count,
			trouble: tie ? { kind: 'versionTie' } : undefined,
			statusText: olderInStatus(input.statusEntries, wanted.name),
		},
	}
}

type OlderContent =
	/** the file has it already */
	| { readonly kind: 'stays' }
	| { readonly kind: 'content'; readonly content: Content }
	| { readonly kind: 'unusable' }
	| { readonly kind: 'broke'; readonly broke: Broke }

/** The bytes for the older version at an index: as they are, moved from another file, or read. */
function* olderContent(wanted: WantedSecret, version: string, index: number, input: OlderInput): Piece<OlderContent> {
	const { holding, vaultUrl, accepted, asked } = input
	const before = secretInManifest(holding, wanted.name, vaultUrl)
	const isOurs =
		before?.vault === undefined &&
		before?.objectName.toLowerCase() === wanted.objectName.toLowerCase() &&
		before.form === nameOfForm(wanted.form)
	if (isOurs) {
		const isThere = (file: string) => isIntact(holding, file, accepted)
		const files = [before, ...before.previous].map((each, i) => ({
			version: each.version,
			file: i === 0 ? wanted.name : previousFileName(wanted.name, i),
		}))
		const places = files.filter((each) => each.version === version && isThere(each.file)).map(({ file }) => file)
		if (places.includes(previousFileName(wanted.name, index + 1))) return { kind: 'stays' }
		for (const place of places) {
			const content = holding?.content?.(place)
			if (content !== undefined) return { kind: 'content', content }
		}
	}
	const { answer } = yield* ask({ ask: 'read', objectName: wanted.objectName, version, ...asked })
	if (answer.kind === 'fault')
		return traitsOf(answer.fault).session ? { kind: 'broke', broke: answer } : { kind: 'unusable' }
	if (answer.kind !== 'secret') return { kind: 'broke', broke: answer }
	const [formed] = yield* contentsOf([wanted], answer.secret)
	return formed?.kind === 'content' ? { kind: 'content', content: formed.content } : { kind: 'unusable' }
}

/** Says again what was the matter with older versions when they were last looked for: it is so until the next time. */
export function repeatTrouble(result: EntryResult, known: ReadonlyMap<string, OlderKnown>): EntryResult {
	const last = known.get(result.wanted.name)
	const same = last?.version === result.inManifest?.version && last?.count === result.wanted.previous
	return last?.trouble && same ? withTrouble(result, last.trouble) : result
}

/** Nothing older is wanted any more, or it was never. */
export const withoutOlder = (result: EntryResult): EntryResult =>
	(result.wanted.previous ?? 0) > 0 || !result.inManifest || result.inManifest.previous.length === 0
		? result
		: { ...result, inManifest: { ...result.inManifest, previous: [] } }

const withTrouble = (result: EntryResult, fault: VaultFault): EntryResult =>
	result.fault ? result : { ...result, fault, reason: result.reason ?? traitsOf(fault).reason }
