import type { Binding, WantedSecret } from '../api/parse.ts'
import { MAX_SECRETS } from '../api/schema.ts'
import { type Delivered, deliveredSecret } from '../destinations/secret/secret-object.ts'
import type { Finding } from '../engine/entry.ts'
import type { VaultFault } from '../engine/fault.ts'
import type { ParseCertificate } from '../engine/form.ts'
import {
	type Known,
	listPagesAllowed,
	mustRead,
	mustReadAfterList,
	objectKey,
	VERSIONS_EVERY,
} from '../engine/known.ts'
import type { SelectorOutcome } from '../engine/outcome.ts'
import { applyHold, type Held } from '../engine/pin.ts'
import { probeOf } from '../engine/probe.ts'
import { cameBySelector, nameBySelectors, select, selectedSecret } from '../engine/select.ts'
import { type Ask, type ListedSecret, VaultError, type VaultListing, type VaultSession } from '../ports/vault.ts'
import { checkPin, readGroup } from './read.ts'

export interface LookInput {
	binding: Binding
	/** what the spec names */
	explicit: readonly WantedSecret[]
	session: VaultSession
	delivered: Delivered | undefined
	known: ReadonlyMap<string, Known>
	/** number of this look */
	look: number
	/** names to read whatever is known: their bytes are missing or not ours */
	force: ReadonlySet<string>
	absentSince: ReadonlyMap<string, number>
	/** monotonic, milliseconds */
	at: number
	/** the same as it is by now: a look may wait long for its answers */
	monotonic: () => number
	/** milliseconds since the epoch */
	now: number
	parseCertificate: ParseCertificate
	ask: Ask
}

export interface LookResult {
	/** what the spec names, what selectors brought, and what they brought before and is still delivered */
	wanted: WantedSecret[]
	selectors: SelectorOutcome
	/** the annotation hold, as far as it can be followed */
	held: Omit<Held, 'secrets'>
	findings: Map<string, Finding>
	/** what to remember when the write that follows has succeeded */
	known: Map<string, Known>
	absentSince: Map<string, number>
	/** the fault that ended the look early */
	fault: VaultFault | undefined
	/** so many secrets would have to be delivered, which is too many: nothing was read */
	tooMany: number | undefined
}

/** A look under way. */
export interface Looking extends LookInput {
	result: LookResult
	/** the whole list, if there is one */
	items: ReadonlyMap<string, ListedSecret> | undefined
	/** the server's clock at the list, milliseconds since the epoch */
	listedAt: number | undefined
}

// A look of one binding needs no more at once than this: a vault's budget lets eight run for all of them.
const WORKERS = 4
// Without an end for the list of a vault, only the session's own bound against endless lists counts.
const ALL_PAGES = Number.POSITIVE_INFINITY

/**
 * Looks at the vault for one binding.
 *
 * 1. Some secrets must be read whatever a list says. List when selectors ask for it, or when it is cheaper than reading the rest.
 * 2. Selectors: what the list shows; what they brought before and do not bring now leaves, or is asked for when the list has a gap.
 * 3. What the list shows changed, or does not show, is read as well. Pins are followed through lists of versions.
 * 4. Secrets that are made of one value are read by one call, all of them or none.
 * 5. A fault that every further call would meet ends the look; what was found out so far counts.
 */
export async function lookAtVault(input: LookInput): Promise<LookResult> {
	const { binding, explicit, session, known, force, look, at } = input
	const before = selectedBefore(input)
	const followed = [...explicit, ...before].filter(({ version }) => version === undefined).map(objectKey)
	session.follow(`${binding.namespace}/${binding.name}`, { objects: new Set(followed), interval: binding.interval })

	const looking = begin(input, explicit)
	const { result } = looking
	const mustNow = (wanted: WantedSecret) => force.has(wanted.name) || mustRead(wanted, known.get(wanted.name))
	const open = groupsOf(explicit).filter(([first]) => first?.version === undefined)
	const allowed =
		binding.select.length > 0
			? ALL_PAGES
			: listPagesAllowed(
					{
						followed: session.followed(binding.interval),
						wanted: open.length,
						needed: open.filter((group) => group.some(mustNow)).length,
					},
					session.lists,
					at,
				)
	const listing = allowed === undefined ? undefined : await tryList(looking, allowed)
	if (listing?.complete) {
		looking.items = listing.items
		looking.listedAt = listing.serverTime
	}
	takeSelected(looking, before)
	const { secrets, ...held } = applyHold(result.wanted, binding.hold, input.now)
	result.wanted = secrets
	result.held = held
	// What is held is delivered whatever selectors say.
	for (const name of held.names) if (result.findings.get(name)?.kind === 'leaves') result.findings.delete(name)
	if (result.fault) return fillIn(looking, result.fault)
	const count = result.wanted.filter(({ form }) => form?.kind !== 'certificate').length
	if (count > MAX_SECRETS) return { ...result, tooMany: count }

	const toRead: WantedSecret[][] = []
	const pins: WantedSecret[][] = []
	for (const group of groupsOf(result.wanted.filter(({ name }) => !result.findings.has(name)))) {
		const pinned = group[0]?.version !== undefined
		const listed = looking.items?.get(group[0]?.objectName.toLowerCase() ?? '')
		const changed = (wanted: WantedSecret) => {
			const one = known.get(wanted.name)
			if (!one) return true
			if (!pinned && !looking.items) return true
			// A version that stands in may be disabled in its turn.
			if (one.finding?.kind === 'value' && one.finding.standsIn && look % VERSIONS_EVERY === 0) return true
			return mustReadAfterList(wanted, one, listed, input.now)
		}
		if (group.some(mustNow) || group.some(changed)) toRead.push(group)
		else if (pinned && look % VERSIONS_EVERY === 0) pins.push(group)
		else {
			for (const { name } of group) {
				const one = known.get(name)
				if (!one) continue
				result.findings.set(name, one.finding ?? { kind: 'unchanged', tags: pinned ? undefined : listed?.tags })
				const probe = listed && !pinned ? probeOf(listed) : one.probe
				result.known.set(name, { ...one, probe })
				const since = input.absentSince.get(name)
				if (since !== undefined) result.absentSince.set(name, since)
			}
		}
	}
	await inParallel(looking, [
		...toRead.map((group) => () => readGroup(group, looking)),
		...pins.map((group) => () => checkPin(group, looking)),
	])
	return result.fault ? fillIn(looking, result.fault) : result
}

/** Reads only these, of what an earlier look had found wanted. */
export async function lookAtSome(input: LookInput, wanted: readonly WantedSecret[]): Promise<LookResult> {
	const looking = begin(input, wanted)
	await inParallel(
		looking,
		groupsOf(wanted).map((group) => () => readGroup(group, looking)),
	)
	const { result } = looking
	return result.fault ? fillIn(looking, result.fault) : result
}

/** What a look that has not begun has found out. */
export const emptyResult = (wanted: readonly WantedSecret[]): LookResult => ({
	wanted: [...wanted],
	selectors: 'none',
	held: { names: [], until: undefined, problem: undefined },
	findings: new Map(),
	known: new Map(),
	absentSince: new Map(),
	fault: undefined,
	tooMany: undefined,
})

const begin = (input: LookInput, wanted: readonly WantedSecret[]): Looking => ({
	...input,
	result: emptyResult(wanted),
	items: undefined,
	listedAt: undefined,
})

function groupsOf(secrets: readonly WantedSecret[]): WantedSecret[][] {
	const groups = new Map<string, WantedSecret[]>()
	for (const wanted of secrets) {
		const key = objectKey(wanted)
		const group = groups.get(key)
		if (group) group.push(wanted)
		else groups.set(key, [wanted])
	}
	return [...groups.values()]
}

async function inParallel({ result, ask }: Looking, tasks: (() => Promise<void>)[]): Promise<void> {
	const work = async () => {
		for (let task = tasks.shift(); task && !result.fault; task = tasks.shift()) {
			ask.signal.throwIfAborted()
			await task()
		}
	}
	await Promise.all(Array.from({ length: Math.min(WORKERS, tasks.length) }, work))
}

/** What selectors brought and is delivered, by what the manifest says. */
function selectedBefore({ delivered, explicit, binding }: LookInput): WantedSecret[] {
	const manifest = delivered?.manifest
	if (!manifest) return []
	const named = new Set(explicit.map(({ name }) => name))
	return Object.entries(manifest.secrets)
		.filter(
			([name, secret]) =>
				!named.has(name) &&
				deliveredSecret(delivered, name) !== undefined &&
				(cameBySelector(manifest.selectors, name, secret) || isHeldSelection(binding, name, secret.pinned)),
		)
		.map(([name, { objectName }]) => selectedSecret(name, objectName))
}

/** A selected secret that an incident pinned. */
const isHeldSelection = ({ hold, select }: Binding, name: string, pinned: boolean) =>
	pinned && select.length > 0 && hold.kind === 'until' && hold.versions.has(name)

async function tryList({ session, ask, result, binding }: Looking, allowed: number): Promise<VaultListing | undefined> {
	try {
		return await session.list({ pages: allowed }, ask)
	} catch (error) {
		if (!(error instanceof VaultError)) throw error
		const { fault } = error
		// Roles can be given for single secrets, and access policies for get alone: then list is denied and reading works.
		const denied = fault.kind === 'forbiddenRbac' || fault.kind === 'accessDenied' || fault.kind === 'forbidden'
		if (!denied) result.fault = fault
		else if (binding.select.length > 0) result.selectors = { failed: fault }
		return undefined
	}
}

/** Adds what the selectors bring to what is wanted, and finds out what they do not bring any more. */
function takeSelected(
	{ binding, explicit, items, result, delivered, known }: Looking,
	before: readonly WantedSecret[],
): void {
	if (binding.select.length === 0) {
		// The spec selects nothing any more.
		result.wanted.push(...before)
		for (const { name } of before) result.findings.set(name, { kind: 'leaves', why: 'selectors' })
		return
	}
	if (!items) {
		// Nothing is known of what is selected now, so everything that was stays as it is.
		result.wanted.push(...before)
		if (typeof result.selectors !== 'object') return
		for (const { name } of before) {
			result.findings.set(name, { kind: 'fault', fault: result.selectors.failed, confirmed: false })
			const one = known.get(name)
			if (one) result.known.set(name, one)
		}
		return
	}
	result.selectors = 'listed'
	const { wanted, collisions } = select(binding.select, explicit, items.values())
	result.wanted.push(...wanted)
	for (const [name, [objectName = '']] of collisions) {
		const shown = before.find((each) => each.name === name)?.objectName ?? objectName
		result.wanted.push(selectedSecret(name, shown))
		result.findings.set(name, { kind: 'collision' })
	}
	const taken = new Set(result.wanted.map(({ name }) => name))
	for (const one of before) {
		if (taken.has(one.name)) continue
		result.wanted.push(one)
		const item = items.get(one.objectName.toLowerCase())
		// A gap: it is asked for.
		if (!item) continue
		// Selectors of before still want it: then it is not the vault that changed.
		const selectors = (delivered?.manifest?.selectors ?? []).map((each) => ({ tags: {}, ...each }))
		const why = nameBySelectors(selectors, item) === one.name ? 'selectors' : 'deselected'
		result.findings.set(one.name, { kind: 'leaves', why })
	}
}

/** Gives every secret that was not asked for the fault that ended the look. What was known of them stays known. */
function fillIn({ result, known, absentSince }: Looking, fault: VaultFault): LookResult {
	for (const { name } of result.wanted) {
		if (result.findings.has(name)) continue
		result.findings.set(name, { kind: 'fault', fault, confirmed: false })
		const [one, since] = [known.get(name), absentSince.get(name)]
		if (one) result.known.set(name, one)
		if (since !== undefined) result.absentSince.set(name, since)
	}
	return result
}
