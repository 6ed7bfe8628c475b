import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { MAX_SECRETS } from '../api/constants.ts'
import type { WantedSecret } from '../api/parse.ts'
import type { SecretStatus } from '../api/schema.ts'
import { type Basis, itemsOf, type StatusEntries, textOf } from './by-status.ts'
import { traitsOf } from './fault.ts'
import { type Findings, type Group, groupsOf, type One } from './findings.ts'
import { type Known, VERSIONS_EVERY } from './known.ts'
import { secretInManifest } from './manifest-entry.ts'
import { allOf, filledIn, followOf, mustReadNow, type Poll, selectedBefore, unchanged, underPins } from './poll.ts'
import { ask, type Piece } from './questions.ts'
import { isRefusedAgain } from './refused.ts'
import { nameBySelectors, selectedSecret } from './select.ts'
import { type Polling, readGroup } from './values.ts'

type Given = Exclude<Basis, { kind: 'own' }>

/**
 * What a whole poll is when the status of the binding tells what changed: no list, and reads of what changed alone.
 *
 * 1. What selectors bring is what the status names besides the spec. Of what a complete one names no more the vault is asked why:
 *    the operator may never have known it.
 * 2. Read is what is not known, what is unsettled, what time has turned, and of what something else is told than before.
 * 3. What is told as absent is asked for until the vault itself has said so for long enough.
 */
export function* pollByStatus(begun: Polling, basis: Given): Piece<Poll> {
	const { binding } = begun
	const before = selectedBefore(begun)
	yield* ask({ ask: 'session', follow: followOf(begun, before), interval: binding.interval })
	// Our own clock: of what cannot be read only the state counts, and that is told anew when it changes.
	const polling: Polling = { ...begun, items: itemsOf(basis.entries), listedAt: begun.at.now }
	const selection = selectionOf(polling, before, basis)
	const { wanted, pins, decided } = underPins(selection, begun)
	const isListed = basis.kind === 'status' && basis.complete && binding.select.length > 0
	const about = { wanted, selectors: isListed ? ('listed' as const) : ('none' as const), pins, tooMany: undefined }
	const count = wanted.filter(({ form }) => form?.kind !== 'certificate').length
	if (count > MAX_SECRETS) return { ...about, ones: decided, broke: undefined, tooMany: count }
	const open = wanted.filter(({ name }) => !decided.has(name))
	const { refused } = begun
	if (
		refused &&
		isRefusedAgain(refused, open, polling, (each, known) => isChanged(each, known, polling, basis.entries))
	)
		return { ...about, ones: decided, broke: refused.refusal }
	const pieces = groupsOf(open).map((group) => pieceOf(group, polling, basis.entries))
	const findings = yield* allOf(pieces, polling)
	return filledIn({ ...about, ones: new Map([...decided, ...findings.ones]), broke: findings.broke }, polling)
}

/**
 * What the status says of what is known, remembered with it: the next time only something else asks for a read. Not of what was asked
 * in vain: a vault that is busy or away answers later, and a permission that comes back is told by nobody.
 */
export function withStatusTexts(ones: ReadonlyMap<string, One>, entries: StatusEntries): ReadonlyMap<string, One> {
	return new Map(
		[...ones].map(([name, one]) => {
			const entry = entries.get(name)
			if (!one.known || !entry || isInVain(one)) return [name, one]
			return [name, { ...one, known: { ...one.known, statusText: textOf(entry) } }]
		}),
	)
}

const isInVain = ({ finding }: One) => finding.kind === 'fault' && traitsOf(finding.fault).class !== 'secret'

function selectionOf(
	{ binding, known, holding, vaultUrl }: Polling,
	before: readonly WantedSecret[],
	basis: Given,
): { wanted: readonly WantedSecret[]; ones: ReadonlyMap<string, One> } {
	const explicit = binding.secrets
	const named = new Set(explicit.map(({ name }) => name))
	// Another one was an entry of a spec before.
	const others = binding.select.length === 0 ? [] : [...basis.entries.values()]
	const entries = others.filter(({ name, selected }) => selected === true && !named.has(name))
	const selected = entries.map(({ name, objectName }) => selectedSecret(name, objectName))
	const taken = new Set([...named, ...selected.map(({ name }) => name)])
	const rest = before.filter(({ name }) => !taken.has(name))
	const isOver = binding.select.length === 0 || (basis.kind === 'status' && basis.complete)
	// One that the spec still selects, by the tags that it had: why it is told no more only the vault itself says.
	const tagsOf = (name: string) => secretInManifest(holding, name, vaultUrl)?.tags ?? {}
	const isUnknown = ({ name, objectName }: WantedSecret) =>
		isOver && nameBySelectors(binding.select, { objectName, tags: tagsOf(name) }) === name
	const ones = new Map<string, One>([
		...entries.flatMap((entry): [string, One][] => {
			const finding = findingOf(entry)
			return finding ? [[entry.name, { finding, known: known.get(entry.name) }]] : []
		}),
		...rest
			.filter((each) => !isUnknown(each))
			.map(({ name }): [string, One] => [
				name,
				isOver
					? { finding: { kind: 'leaves', why: 'selectors' } }
					: { finding: { kind: 'unchanged' }, known: known.get(name) },
			]),
	])
	return { wanted: [...explicit, ...selected, ...rest], ones }
}

/** What only a list shows of a selected secret. */
function findingOf({ state, reason }: SecretStatus): One['finding'] | undefined {
	if (reason === 'NameCollision') return { kind: 'collision' }
	return state === 'Deselected' ? { kind: 'leaves', why: 'deselected' } : undefined
}

function pieceOf(group: Group, polling: Polling, entries: StatusEntries): Piece<Findings> {
	const isDue = (wanted: WantedSecret) => {
		const one = polling.known.get(wanted.name)
		return !one || mustReadNow(wanted, polling) || isChanged(wanted, one, polling, entries)
	}
	return group.some(isDue) ? readGroup(group, polling) : unchanged(group, undefined, polling)
}

/** Whether the status tells of something else, or time has turned it. */
function isChanged(
	wanted: WantedSecret,
	one: Known,
	{ holding, vaultUrl, at, polls }: Polling,
	entries: StatusEntries,
): boolean {
	if (wanted.selected && !entries.has(wanted.name) && one.probe !== 'absent') return true
	if (one.turnAt !== undefined && one.turnAt <= at.now) return true
	const entry = entries.get(wanted.name)
	const isTime = polls % VERSIONS_EVERY === 0
	return entry !== undefined && isOther(one, entry, secretInManifest(holding, wanted.name, vaultUrl), isTime)
}

/**
 * Whether something else is told than before, and than what is there. At every tenth poll the latter will do: what was read after
 * the operator had looked may have turned since, such as a version that stands in, and then it tells the same as before. So may
 * what was read before it looked: of what was gone by then it tells that it is pending for ever.
 */
function isOther(
	{ statusText }: Known,
	entry: SecretStatus,
	inManifest: ManifestSecret | undefined,
	isTime: boolean,
): boolean {
	if (entry.state === 'Pending') return isTime && inManifest !== undefined && inManifest.vault === undefined
	if (statusText === textOf(entry) && !(isTime && inManifest)) return false
	const isThere =
		inManifest?.updated === entry.updated && inManifest?.state === entry.state && inManifest.vault === undefined
	return !isThere || (entry.version !== undefined && entry.version !== inManifest.version)
}
