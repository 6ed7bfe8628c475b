import type { Binding, WantedSecret } from '../api/parse.ts'
import type { ListedSecret, VaultSecret, VersionFacts, VersionListing } from '../ports/vault.ts'
import type { StatusEntries } from './by-status.ts'
import { type Finding, isAbsent, matches } from './entry.ts'
import { traitsOf, type VaultFault } from './fault.ts'
import { type Broke, brokeBy, type Findings, findingsOf, type Group, type One } from './findings.ts'
import { type Flaw, flawOf, hasTurned, nextTurn, policyFor } from './flaw.ts'
import { type Formed, nameOfForm } from './form.ts'
import type { Holding } from './holding.ts'
import type { Known } from './known.ts'
import { shownVersion } from './listed-version.ts'
import { secretInManifest } from './manifest-entry.ts'
import { isSettled, probeOf, type SecretFacts } from './probe.ts'
import { type Answered, type Answers, type Asked, ask, type Moment, type Piece } from './questions.ts'
import type { Refused } from './refused.ts'
import { nameBySelectors } from './select.ts'
import { currentAmong, isAsYoung, isOvertaken, MAX_VERSION_PAGES, standIn } from './versions.ts'

/** What a poll goes by. */
export interface Polling {
	readonly binding: Binding
	readonly vaultUrl: string
	readonly asked: Asked
	readonly at: Moment
	/** number of this whole poll */
	readonly polls: number
	/** bytes that the destination takes */
	readonly most: number
	readonly holding: Holding | undefined
	readonly known: ReadonlyMap<string, Known>
	readonly absentSince: ReadonlyMap<string, number>
	readonly seenAgain: ReadonlySet<string>
	/** names to read whatever is known: their bytes are missing or not ours */
	readonly force: ReadonlySet<string>
	/** the change that was refused last */
	readonly refused: Refused | undefined
	/** what was wanted at the last whole poll of this process */
	readonly wanted: readonly WantedSecret[] | undefined
	/** the whole list, if there is one, and the server's clock at it */
	readonly items: ReadonlyMap<string, ListedSecret> | undefined
	readonly listedAt: number | undefined
	/** what the status tells of the vault as it is now, when that is what is gone by */
	readonly statusEntries: StatusEntries | undefined
}

/**
 * Reads what a group of wanted secrets is made of, and makes each of it.
 *
 * 1. The current version, or the pinned one.
 * 2. If it cannot be used, or not at this time, the policy decides; with `Previous` an older version is looked for.
 * 3. What selectors brought is judged by what the read tells of it: it is younger than the list. A version that is disabled
 *    shows no tags, so only a list of later says whether it is still selected: until then it is only marked, and nothing stands in.
 */
export function* readGroup(group: Group, polling: Polling): Piece<Findings> {
	const { at, binding } = polling
	const [{ name, objectName, version, selected }] = group
	const bySelector = selected && version === undefined
	const read = yield* readVersion(group[0], polling)
	if (read.answer.kind === 'fault') {
		const why = yield* explainAbsence(group[0], read.answer.fault, polling)
		if (why.kind !== 'fault') return brokeBy(why)
		if (why.fault.kind === 'disabled') {
			if (bySelector && !isShownDisabled(group[0], polling))
				return findingsOf(group, () => ({ finding: { kind: 'flawed', flaw: 'disabled', hidden: true } }))
			return yield* useFlawed(group, 'disabled', undefined, polling)
		}
		return faulty(group, why.fault, read.at, polling)
	}
	if (read.answer.kind !== 'secret') return brokeBy(read.answer)
	const { secret } = read.answer
	// Read later than the list, or in place of it: the tag may be gone by now.
	if (bySelector && nameBySelectors(binding.select, { objectName, ...secret.facts }) !== name)
		return findingsOf(group, () => ({ finding: { kind: 'leaves', why: 'deselected' } }))
	const flaw = flawOf(secret.facts, at.now)
	if (flaw && policyFor(flaw, binding.policy, version !== undefined) !== 'Keep')
		return yield* useFlawed(group, flaw, secret, polling)
	return yield* useValue(group, secret, { flaw }, polling)
}

/**
 * The current version or the pinned one. Somebody else may have asked for it before: it is asked for once more when its time has
 * come since, or when the list of the vault is younger.
 */
function* readVersion({ objectName, version }: WantedSecret, polling: Polling): Piece<Answered<'read'>> {
	const { asked, at, items, statusEntries } = polling
	const question = { ask: 'read', objectName, version, ...asked } as const
	const first = yield* ask(question)
	const { answer } = first
	const isOver = answer.kind === 'secret' && hasTurned(answer.secret.facts, answer.secret.answeredAt, at)
	// What a status tells is older than what is asked for because of it.
	const isListed = version === undefined && !statusEntries
	const listed = isListed ? items?.get(objectName.toLowerCase()) : undefined
	if (!isOver && !(listed && isBehind(answer, listed))) return first
	return yield* ask({ ...question, since: first.at.monotonic })
}

/** Whether a list shows what came after this was told. What seems so may have happened after the list: asking again tells. */
function isBehind(answer: Answers['read'], { updated = 0, enabled }: ListedSecret): boolean {
	if (answer.kind === 'secret') return (answer.secret.facts.updated ?? 0) < updated
	return answer.kind === 'fault' && (answer.fault.kind === 'absent' || (answer.fault.kind === 'disabled' && enabled))
}

/** Whether a list, this one or an earlier one, or the status shows a selected secret as disabled: with the tags that it has then. */
function isShownDisabled({ name, objectName }: WantedSecret, { items, statusEntries, known }: Polling): boolean {
	if (items?.get(objectName.toLowerCase())?.enabled === false || known.get(name)?.flaw === 'disabled') return true
	const state = statusEntries?.get(name)?.state
	return state === 'Disabled' || state === 'Previous'
}

/** Looks whether a pinned version can still be used, without reading it, unless the list of versions does not tell. */
export function* checkPin(group: Group, polling: Polling): Piece<Findings> {
	const listed = yield* listVersions(group[0], polling)
	if ('broke' in listed) return brokeBy(listed.broke)
	const facts = listed.versions?.find(({ version }) => version === group[0].version)
	const ones = new Map<string, One>()
	for (const { name } of group) {
		const known = polling.known.get(name)
		// After a restart the manifest stands for the probe; the first check reads the version and learns the probe.
		const same = known && facts && typeof known.probe === 'string' && known.probe === probeOf(facts)
		if (!same || flawOf(facts, polling.at.now) !== known.flaw) return yield* readGroup(group, polling)
		ones.set(name, { finding: known.finding ?? { kind: 'unchanged' }, known })
	}
	return { ones, broke: undefined }
}

/** The version is there and cannot be delivered as it is: what the policy says of that. `current`: it, if it could be read. */
function* useFlawed(group: Group, flaw: Flaw, current: VaultSecret | undefined, polling: Polling): Piece<Findings> {
	const { binding, items, listedAt, holding, vaultUrl, force, asked, at } = polling
	const [{ name, objectName, version: pin, selected }] = group
	const facts = current?.facts ?? (pin === undefined ? items?.get(objectName.toLowerCase()) : undefined)
	// Without facts nothing is remembered: it is asked for at each poll, so there is nothing to wait for.
	const settled = facts === undefined || isSettled(facts, current?.serverTime ?? listedAt)
	const same = (finding: Finding, again = false) =>
		findingsOf(group, (wanted) => ({
			finding,
			known: again || !facts ? undefined : knownAs(wanted, facts, settled, finding, polling),
		}))
	if (policyFor(flaw, binding.policy, pin !== undefined) !== 'Previous') return same({ kind: 'flawed', flaw })

	const older = yield* listVersions(
		group[0],
		polling,
		({ versions, answeredAt }) =>
			isAsYoung(versions, shownVersion(current?.version), facts) &&
			!versions.some((each) => hasTurned(each, answeredAt, at)),
	)
	if ('broke' in older) return brokeBy(older.broke)
	const shown = secretInManifest(holding, name, vaultUrl)?.version
	// Which one stands in cannot be seen now. What does already is better than what the policy does not want, and so is nothing:
	// a policy may have taken it away.
	const fault = older.fault?.kind === 'historyTooLong' ? undefined : older.fault
	if (fault && current && shown !== current.version) {
		return findingsOf(group, () => ({ finding: { kind: 'fault', fault, confirmed: false } }))
	}
	// The list of versions is not older than what showed it as selected, and shows the tags of a disabled one too (FACTS.md#versions).
	const isSelected =
		selected && pin === undefined ? isStillSelected(group[0], older.versions ?? [], current, binding) : true
	if (isSelected === 'unclear') return same({ kind: 'flawed', flaw, hidden: true }, true)
	if (!isSelected) return findingsOf(group, () => ({ finding: { kind: 'leaves', why: 'deselected' } }))
	const choice = standIn(older.versions ?? [], current?.version, shown, at.now)
	const trouble: VaultFault | undefined = older.fault ?? (choice.kind === 'tie' ? { kind: 'versionTie' } : undefined)
	if (choice.kind !== 'version') {
		// No older one: it is kept as with Keep. Key Vault itself heeds only `disabled`.
		return current
			? yield* useValue(group, current, { flaw, trouble, again: fault !== undefined }, polling)
			: same({ kind: 'flawed', flaw, trouble }, fault !== undefined)
	}
	const { version, ...olderFacts } = choice.version
	const isThere = (wanted: WantedSecret) => {
		const before = secretInManifest(holding, wanted.name, vaultUrl)
		return !force.has(wanted.name) && before?.version === version && matches(before, wanted)
	}
	if (group.every(isThere))
		return same({ kind: 'value', version, value: undefined, facts: olderFacts, settled, flaw, standsIn: true })
	const read = yield* ask({ ask: 'read', objectName, version, ...asked })
	if (read.answer.kind === 'fault') return faulty(group, read.answer.fault, read.at, polling)
	if (read.answer.kind !== 'secret') return brokeBy(read.answer)
	return yield* useValue(group, read.answer.secret, { flaw, standsIn: { facts, settled } }, polling)
}

/**
 * Whether the selectors want the current version of a secret, by the tags that the list of its versions shows. A newer version
 * than the one that was read is for the next poll to see.
 */
function isStillSelected(
	{ name, objectName }: WantedSecret,
	versions: readonly VersionFacts[],
	current: VaultSecret | undefined,
	{ select }: Binding,
): boolean | 'unclear' {
	if (isOvertaken(versions, current?.facts)) return 'unclear'
	const selected = currentAmong(versions, current?.version).map(
		(facts) => nameBySelectors(select, { objectName, ...facts }) === name,
	)
	if (selected.includes(true) && selected.includes(false)) return 'unclear'
	return !selected.includes(false)
}

interface Note {
	readonly flaw?: Flaw | undefined
	readonly trouble?: VaultFault | undefined
	/** the trouble may pass without any change in the vault: nothing is remembered, so that the next poll asks again */
	readonly again?: boolean
	/** another version stands in for the current one, of which this is known */
	readonly standsIn?: { readonly facts: SecretFacts | undefined; readonly settled: boolean }
}

function* useValue(group: Group, secret: VaultSecret, note: Note, polling: Polling): Piece<Findings> {
	const { version, facts, serverTime, answeredAt } = secret
	const { flaw, trouble, again: passes = false, standsIn } = note
	const formed = yield* contentsOf(group, secret)
	return {
		broke: undefined,
		ones: new Map(
			group.map((wanted, i): [string, One] => {
				const content: Formed = formed[i] ?? { kind: 'fault', fault: { kind: 'garbage' } }
				// Not remembered as known: it is read again each time, until it or the spec is mended.
				if (content.kind === 'fault')
					return [wanted.name, { finding: { kind: 'fault', fault: content.fault, confirmed: false } }]
				// A pinned version keeps its value, so there is nothing to wait for.
				const settled = standsIn?.settled ?? (wanted.version !== undefined || isSettled(facts, serverTime))
				const finding: Finding = {
					kind: 'value',
					version,
					value: content.content,
					facts,
					settled,
					answeredAt,
					flaw,
					standsIn: standsIn !== undefined,
					trouble,
				}
				const seen = standsIn ? standsIn.facts : facts
				// What is remembered holds no value.
				const again: Finding | undefined = flaw || trouble ? { ...finding, value: undefined } : undefined
				return [
					wanted.name,
					{ finding, known: passes || !seen ? undefined : knownAs(wanted, seen, settled, again, polling) },
				]
			}),
		),
	}
}

/** The contents of the files of a group; a value that is delivered as it is needs nobody to parse it. */
export function* contentsOf(group: Group, secret: VaultSecret): Piece<readonly Formed[]> {
	if (group.every(({ form }) => form === undefined))
		return group.map(() => ({ kind: 'content', content: secret.value() }))
	const forms = group.map(({ form }) => form)
	const { answer } = yield* ask({ ask: 'form', objectName: group[0].objectName, secret, forms })
	if (answer.kind === 'formed') return answer.formed
	const { fault } = answer
	return group.map(() => ({ kind: 'fault', fault }))
}

/** @param facts of the current version, or of the pinned one */
const knownAs = (
	{ objectName, version, form }: WantedSecret,
	facts: SecretFacts,
	settled: boolean,
	finding: Finding | undefined,
	{ at, binding }: Polling,
): Known => ({
	objectName,
	pin: version,
	form: nameOfForm(form),
	probe: probeOf(facts),
	settled,
	flaw: flawOf(facts, at.now),
	turnAt: nextTurn(facts, binding.policy, at.now),
	finding,
})

/** A fault of one secret is what was found out of it; one that all would meet ends the poll. */
function faulty(group: Group, fault: VaultFault, answeredAt: Moment, polling: Polling): Findings {
	const { absentSince, seenAgain, asked, holding, vaultUrl, items } = polling
	if (traitsOf(fault).session) return brokeBy({ kind: 'fault', fault })
	return findingsOf(group, (wanted) => {
		const { name, objectName } = wanted
		if (fault.kind !== 'absent') return { finding: { kind: 'fault', fault, confirmed: false } }
		const since = absentSince.get(name) ?? answeredAt.monotonic
		const before = secretInManifest(holding, name, vaultUrl)
		// Marked already, and not seen since: the vault has said so for long enough before.
		const marked = before?.state === 'Absent' && before.vault === undefined && !seenAgain.has(name)
		const confirmed = marked || isAbsent(since, asked.since)
		const finding: Finding = { kind: 'fault', fault, confirmed }
		// From here on a gap in the list says the same. Nothing hangs on it when nothing is delivered.
		const gap = (confirmed || !before) && items !== undefined && !items.has(objectName.toLowerCase())
		return { finding, absentSince: since, known: gap ? absentAs(wanted, finding) : undefined }
	})
}

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

/** The versions of a secret, or why they are not known: a fault of this question alone, or one that ends the poll. */
export type Versions =
	| { readonly versions: readonly VersionFacts[] | undefined; readonly fault: VaultFault | undefined }
	| { readonly broke: Broke }

/**
 * All versions of a secret. What answers is as old as the poll at most, and may be older than what this very poll has read
 * since, or than what time has changed: when it is (`isYoung`), it is asked for once more.
 */
export function* listVersions(
	{ objectName }: WantedSecret,
	{ asked }: Pick<Polling, 'asked'>,
	isYoung: (listing: Extract<VersionListing, { complete: true }>) => boolean = () => true,
): Piece<Versions> {
	const question = { ask: 'versions', objectName, pages: MAX_VERSION_PAGES, ...asked } as const
	const first = yield* ask(question)
	const isOld = first.answer.kind === 'versions' && first.answer.listing.complete && !isYoung(first.answer.listing)
	const { answer } = isOld ? yield* ask({ ...question, since: first.at.monotonic }) : first
	if (answer.kind === 'versions') {
		const { listing } = answer
		// A secret has a version: it was deleted since it was read, and the next read says so (FACTS.md#versions).
		if (listing.complete && listing.versions.length === 0) return { versions: undefined, fault: { kind: 'absent' } }
		return listing.complete
			? { versions: listing.versions, fault: undefined }
			: { versions: undefined, fault: { kind: 'historyTooLong' } }
	}
	// With access policies it may be list alone that is denied.
	const ends = answer.kind !== 'fault' || (traitsOf(answer.fault).session && answer.fault.kind !== 'accessDenied')
	if (ends) return { broke: answer }
	return { versions: undefined, fault: answer.fault }
}

/** Absent is what a read without a version says. A pin that is not found may only be a wrong pin. */
function* explainAbsence({ objectName, version }: WantedSecret, fault: VaultFault, { asked }: Polling): Piece<Broke> {
	if (fault.kind !== 'absent' || version === undefined) return { kind: 'fault', fault }
	const { answer } = yield* ask({ ask: 'read', objectName, version: undefined, ...asked })
	if (answer.kind === 'secret') return { kind: 'fault', fault: { kind: 'versionAbsent' } }
	// A disabled current version says as well that the secret exists.
	if (answer.kind === 'fault' && answer.fault.kind === 'disabled')
		return { kind: 'fault', fault: { kind: 'versionAbsent' } }
	return answer
}
