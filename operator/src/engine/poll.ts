import type { ManifestSecret } from 'purista-azure-mounted-secret-store/manifest'
import { MAX_SECRETS } from '../api/constants.ts'
import type { WantedSecret } from '../api/parse.ts'
import type { Demand, ListedSecret } from '../ports/vault.ts'
import type { Finding } from './entry.ts'
import type { VaultFault } from './fault.ts'
import { type Broke, type Findings, fullAt, type Group, groupsOf, type One, together, untilFull } from './findings.ts'
import { policyFor } from './flaw.ts'
import type { LastPoll } from './knowledge.ts'
import { type Known, listPagesAllowed, mustRead, mustReadAfterList, objectKey, VERSIONS_EVERY } from './known.ts'
import { secretInManifest } from './manifest-entry.ts'
import type { SelectorOutcome } from './outcome.ts'
import { pinByAnnotation } from './pin.ts'
import { probeOf } from './probe.ts'
import { ask, type Piece } from './questions.ts'
import { isRefusedAgain } from './refused.ts'
import { nameBySelectors, namedTags, select, selectedSecret } from './select.ts'
import { sideBySide } from './side-by-side.ts'
import { checkPin, type Polling, readGroup } from './values.ts'

/** What a poll of the vault came to. */
export interface Poll extends Findings, Omit<LastPoll, 'findings'> {
	/** so many secrets would have to be delivered, which is too many: nothing was read */
	readonly tooMany: number | undefined
	/** the whole list that it went by */
	readonly listed?: Pick<Polling, 'items' | 'listedAt'>
}

// A pass of one binding needs no more at once than this: a vault's budget lets eight run for all of them.
export const AT_ONCE = 4
// Without an end for the list of a vault, only the session's own bound against endless lists counts.
const ALL_PAGES = Number.POSITIVE_INFINITY

/**
 * Polls the vault for all that a binding wants.
 *
 * 1. Some secrets must be read whatever a list says. List when selectors ask for it, or when it is cheaper than reading the rest.
 * 2. Selectors: what the list shows; what they brought before and do not bring now leaves, or is asked for when the list has a gap.
 * 3. What the annotation hold pins counts before what selectors say.
 * 4. What the list shows changed, or does not show, is read as well. Pins are followed through lists of versions.
 * 5. A fault that every further question would meet ends the poll; what was found out so far counts. So does a change that was
 *    refused before, when the list shows that it would be the same.
 */
export function* pollWhole(begun: Polling): Piece<Poll> {
	const before = selectedBefore(begun)
	const listed = yield* listIfWorth(begun, before)
	const polling: Polling = { ...begun, items: listed.items, listedAt: listed.listedAt }
	const selection = selectionOf(polling, before, listed.selectors)
	const { wanted, pins, decided } = underPins(selection, begun)
	const { items, listedAt } = listed
	const about = { wanted, selectors: selection.selectors, pins, tooMany: undefined, listed: { items, listedAt } }
	if (listed.broke) return filledIn({ ...about, ones: decided, broke: listed.broke }, polling)
	const count = wanted.filter(({ form }) => form?.kind !== 'certificate').length
	if (count > MAX_SECRETS) return { ...about, ones: decided, broke: undefined, tooMany: count }

	const open = wanted.filter(({ name }) => !decided.has(name))
	const { refused } = begun
	if (refused && isRefusedAgain(refused, open, polling, (each, known) => isChanged(each, known, polling)))
		return { ...about, ones: decided, broke: refused.refusal }
	const pieces = groupsOf(open).map((group) => pieceOf(group, polling))
	const findings = yield* allOf(pieces, polling)
	return filledIn({ ...about, ones: new Map([...decided, ...findings.ones]), broke: findings.broke }, polling)
}

/**
 * What is wanted while the annotation pins something, and what is found out of it already. What the vault deselects is delivered while it
 * is pinned; what the spec does not select any more is no secret of the binding.
 */
export function underPins(
	{ wanted, ones }: Pick<Selection, 'wanted' | 'ones'>,
	{ binding, at }: Polling,
): { wanted: readonly WantedSecret[]; pins: LastPoll['pins']; decided: ReadonlyMap<string, One> } {
	const isOut = ({ name }: WantedSecret) => isUnselected(ones.get(name)?.finding)
	const isIn = (each: WantedSecret) => !isOut(each)
	const { secrets, ...pins } = pinByAnnotation(wanted.filter(isIn), binding.annotatedPins, at.now)
	const isAsked = ([name, { finding }]: [string, One]) =>
		pins.names.includes(name) && (finding.kind === 'leaves' || finding.kind === 'unchanged')
	const decided = new Map([...ones].filter((each) => !isAsked(each)))
	return { wanted: [...secrets, ...wanted.filter(isOut)], pins, decided }
}

/** Reads only these, of what an earlier poll had found wanted. */
export function* pollSome(polling: Polling, wanted: readonly WantedSecret[]): Piece<Poll> {
	const pieces = groupsOf(wanted).map((group) => readGroup(group, polling))
	const { ones, broke } = yield* allOf(pieces, polling)
	const pins = { names: [], until: undefined, problem: undefined }
	return filledIn({ wanted, selectors: 'none', pins, ones, broke, tooMany: undefined }, polling)
}

/** Until one of them ends the poll, or there is more than the destination takes. */
export function* allOf(pieces: readonly Piece<Findings>[], { most }: Polling): Piece<Findings> {
	const isFull = fullAt(most)
	const parts = yield* sideBySide(pieces, AT_ONCE, (part) => part.broke !== undefined || isFull(part))
	return together(untilFull(parts, most))
}

/** A later poll of some secrets, put into an earlier one. */
export const merged = (poll: Poll, more: Poll): Poll => ({
	...poll,
	ones: new Map([...poll.ones, ...more.ones]),
	broke: poll.broke ?? more.broke,
})

/** With each file go those that are made of the same value: a newer version must not reach only one of them. */
export function madeOfTheSame(wanted: readonly WantedSecret[], names: ReadonlySet<string>): WantedSecret[] {
	const objects = new Set(wanted.filter(({ name }) => names.has(name)).map(objectKey))
	return wanted.filter((each) => objects.has(objectKey(each)))
}

/** What selectors brought and is delivered: by what was wanted last, and after a restart by what the manifest says. */
export function selectedBefore({ holding, vaultUrl, binding, wanted }: Polling): WantedSecret[] {
	const manifest = holding?.manifest
	if (!manifest) return []
	const named = new Set(binding.secrets.map(({ name }) => name))
	const last = new Map(wanted?.map(({ name, selected }) => [name, selected]))
	const cameBefore = (name: string, { selected }: ManifestSecret) =>
		(last.has(name) ? last.get(name) : selected) === true
	return Object.entries(manifest.secrets)
		.filter(
			([name, secret]) =>
				!named.has(name) && secretInManifest(holding, name, vaultUrl) !== undefined && cameBefore(name, secret),
		)
		.map(([name, { objectName }]) => selectedSecret(name, objectName))
}

interface Listed {
	readonly items: ReadonlyMap<string, ListedSecret> | undefined
	readonly listedAt: number | undefined
	/** why the list that selectors need was denied */
	readonly selectors: VaultFault | undefined
	readonly broke: Broke | undefined
}
const NOT_LISTED: Listed = { items: undefined, listedAt: undefined, selectors: undefined, broke: undefined }

/** What the session is told that a binding follows. */
export function followOf({ binding }: Polling, before: readonly WantedSecret[]): Demand {
	const followed = [...binding.secrets, ...before].filter(({ version }) => version === undefined).map(objectKey)
	return { objects: new Set(followed), tags: namedTags(binding.select), interval: binding.interval }
}

function* listIfWorth(polling: Polling, before: readonly WantedSecret[]): Piece<Listed> {
	const { binding, asked, at, refused } = polling
	const follow = followOf(polling, before)
	const { answer: session } = yield* ask({ ask: 'session', follow, interval: binding.interval })
	const open = groupsOf(binding.secrets).filter(([first]) => first.version === undefined)
	// Of what was refused a list may show that nothing need be read.
	const needed = refused ? 0 : open.filter((group) => group.some((wanted) => mustReadNow(wanted, polling))).length
	const pages =
		binding.select.length > 0
			? ALL_PAGES
			: listPagesAllowed({ followed: session.followed, wanted: open.length, needed }, session.lists, at.monotonic)
	if (pages === undefined) return NOT_LISTED
	const { answer } = yield* ask({ ask: 'list', pages, ...asked })
	if (answer.kind === 'listing') {
		const { listing } = answer
		return listing.complete ? { ...NOT_LISTED, items: listing.items, listedAt: listing.serverTime } : NOT_LISTED
	}
	if (answer.kind !== 'fault') return { ...NOT_LISTED, broke: answer }
	const { fault } = answer
	// Roles can be given for single secrets, and access policies for get alone: then list is denied and reading works.
	const denied = fault.kind === 'forbiddenRbac' || fault.kind === 'accessDenied' || fault.kind === 'forbidden'
	if (!denied) return { ...NOT_LISTED, broke: answer }
	return { ...NOT_LISTED, selectors: binding.select.length > 0 ? fault : undefined }
}

export const mustReadNow = (wanted: WantedSecret, { force, known }: Polling) =>
	force.has(wanted.name) || mustRead(wanted, known.get(wanted.name))

interface Selection {
	readonly wanted: readonly WantedSecret[]
	readonly selectors: SelectorOutcome
	readonly ones: ReadonlyMap<string, One>
}

const isUnselected = (finding: Finding | undefined) => finding?.kind === 'leaves' && finding.why === 'selectors'

/** What the selectors bring besides what the spec names, and what they do not bring any more. */
function selectionOf(
	{ binding, items, holding, vaultUrl, known }: Polling,
	before: readonly WantedSecret[],
	denied: VaultFault | undefined,
): Selection {
	const explicit = binding.secrets
	const leaving = (why: 'selectors' | 'deselected'): One => ({ finding: { kind: 'leaves', why } })
	if (binding.select.length === 0) {
		// The spec selects nothing any more.
		const ones = new Map(before.map(({ name }) => [name, leaving('selectors')]))
		return { wanted: [...explicit, ...before], selectors: 'none', ones }
	}
	if (!items) {
		// Nothing is known of what is selected now, so everything that was stays as it is.
		const wanted = [...explicit, ...before]
		if (!denied) return { wanted, selectors: 'none', ones: new Map() }
		const finding = { kind: 'fault', fault: denied, confirmed: false } as const
		const ones = new Map(before.map(({ name }): [string, One] => [name, { finding, known: known.get(name) }]))
		return { wanted, selectors: { failed: denied }, ones }
	}
	const { wanted, collisions } = select(binding.select, explicit, items.values())
	const collided = [...collisions].map(([name, [objectName = '']]) =>
		selectedSecret(name, before.find((each) => each.name === name)?.objectName ?? objectName),
	)
	const taken = new Set([...explicit, ...wanted, ...collided].map(({ name }) => name))
	const rest = before.filter(({ name }) => !taken.has(name))
	// Selectors of before still want it: then it is not the vault that changed.
	const selectors = (holding?.manifest?.selectors ?? []).map((each) => ({ tags: {}, ...each }))
	const gone = rest.flatMap(({ name, objectName }): [string, One][] => {
		// They select in another vault now.
		if (secretInManifest(holding, name, vaultUrl)?.vault !== undefined) return [[name, leaving('selectors')]]
		const item = items.get(objectName.toLowerCase())
		// A gap: it is asked for.
		if (!item) return []
		return [[name, leaving(nameBySelectors(selectors, item) === name ? 'selectors' : 'deselected')]]
	})
	const ones = new Map<string, One>([
		...collided.map(({ name }): [string, One] => [name, { finding: { kind: 'collision' } }]),
		...gone,
	])
	return { wanted: [...explicit, ...wanted, ...collided, ...rest], selectors: 'listed', ones }
}

/** What is to be found out about a group: read it, look at its pin, or say that nothing has changed. */
function pieceOf(group: Group, polling: Polling): Piece<Findings> {
	const { known, items, polls } = polling
	const [{ objectName, version }] = group
	const isOther = (wanted: WantedSecret) => {
		const one = known.get(wanted.name)
		return !one || isChanged(wanted, one, polling)
	}
	if (group.some((wanted) => mustReadNow(wanted, polling) || isOther(wanted))) return readGroup(group, polling)
	const isPinTime = version !== undefined && polls % VERSIONS_EVERY === 0
	return isPinTime ? checkPin(group, polling) : unchanged(group, items?.get(objectName.toLowerCase()), polling)
}

/** Whether the list shows that it must be read, or there is no list to show it. */
function isChanged(wanted: WantedSecret, one: Known, { binding, items, polls, at }: Polling): boolean {
	const pinned = wanted.version !== undefined
	if (!pinned && !items) return true
	// Of a pinned version no list shows that its time is over, or has come.
	if (pinned && one.turnAt !== undefined && one.turnAt <= at.now) return true
	// A version that stands in may be disabled in its turn; and where none did, the time of one may have come.
	const mayStandIn = one.flaw !== undefined && policyFor(one.flaw, binding.policy, pinned) === 'Previous'
	const isPinTime = polls % VERSIONS_EVERY === 0
	if (mayStandIn && isPinTime) return true
	return mustReadAfterList(wanted, one, items?.get(wanted.objectName.toLowerCase()), at.now)
}

// biome-ignore lint/correctness/useYield: a piece without questions
export function* unchanged(
	group: Group,
	listed: ListedSecret | undefined,
	{ known, absentSince }: Polling,
): Piece<Findings> {
	const shown = group[0].version === undefined ? listed : undefined
	const ones = new Map<string, One>()
	for (const { name } of group) {
		const one = known.get(name)
		if (!one) continue
		ones.set(name, {
			finding: one.finding ?? { kind: 'unchanged', tags: shown?.tags },
			known: { ...one, probe: shown ? probeOf(shown) : one.probe },
			absentSince: absentSince.get(name),
		})
	}
	return { ones, broke: undefined }
}

/** Gives every secret that was not asked for the fault that ended the poll. What was known of them stays known. */
export function filledIn(poll: Poll, { known, absentSince }: Polling): Poll {
	if (poll.broke?.kind !== 'fault') return poll
	const { fault } = poll.broke
	const rest = poll.wanted
		.filter(({ name }) => !poll.ones.has(name))
		.map(({ name }): [string, One] => [
			name,
			{
				finding: { kind: 'fault', fault, confirmed: false },
				known: known.get(name),
				absentSince: absentSince.get(name),
			},
		])
	return { ...poll, ones: new Map([...poll.ones, ...rest]) }
}
