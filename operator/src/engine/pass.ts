import { afterSeen, type Basis, basisOf } from './by-status.ts'
import { type ChangeInput, type Planned, planChange } from './change.ts'
import { type Decided, decide } from './decide.ts'
import { digestOf } from './digest.ts'
import { isAsked, isReadBackDue, isRepeated, namesDue, sinceOf, toRead } from './due.ts'
import { absentTogether, type One } from './findings.ts'
import type { Holding } from './holding.ts'
import type { PassInput, PassResult } from './input.ts'
import { holdingOf, type Knowledge, knownOfNo } from './knowledge.ts'
import { afterReadBack, afterRefusal, afterWrite, seenBy, withManifest } from './learn.ts'
import { secretInManifest } from './manifest-entry.ts'
import { followOlder, isOlderDue, type OlderInput } from './older.ts'
import { pauseAfter } from './pause.ts'
import { madeOfTheSame, merged, type Poll, pollSome, pollWhole } from './poll.ts'
import { pollByStatus, withStatusTexts } from './poll-by-status.ts'
import { type Asked, type Away, ask, type Piece, type Refusal } from './questions.ts'
import { refusedBy } from './refused.ts'
import { ended, failed, polledResult, tooMany, writtenOf } from './result.ts'
import { sameSource } from './source.ts'
import type { Polling } from './values.ts'
import { placesOf, removeFormer, write } from './write.ts'

/**
 * One pass from what is true to what is wanted. It asks, and decides; it does nothing itself, and nothing but the arrivals
 * tells it what time it is.
 *
 * 1. What was known of another vault or identity is forgotten. The destination is read back when it is not known, when drift
 *    is due, and when the user asked or changed the spec.
 * 2. The vault is polled: list or reads, and the values of what changed or drifted. Between two whole polls only what is due.
 * 3. It is decided what becomes of each secret. If that asks for a write and the destination was not read back just now, it
 *    is, and what drifted is read from the vault too.
 * 4. Older versions are brought up to date: bytes that are there are moved, others read.
 * 5. One write. What the destination refuses of it stays out, where it takes the rest.
 * 6. What was learnt is known from now on, but for what was not written: a refusal, or a crash before, repeats the work.
 */
export function* pass(input: PassInput): Piece<PassResult> {
	const begun = begin(input)
	const early = begun.readBack ? yield* readBack(input, begun.knowledge) : undefined
	if (early && 'broke' in early) return ended(begun.knowledge, early.broke, undefined)
	const known: Knowledge = { ...(early?.knowledge ?? begun.knowledge), polls: begun.polls }

	const polling = pollingOf(input, begun, known, early?.holding)
	const polled = yield* poll(begun, polling, known)
	const firstSeen = early?.first ? early.holding : undefined
	if (polled.broke && polled.broke.kind !== 'fault') return ended(known, polled.broke, firstSeen)
	if (polled.tooMany !== undefined) return ended(known, tooMany(polled.tooMany), firstSeen)

	const first = yield* plan(input, begun, known, early?.holding, polled)
	const isLate = !early && (first.isPatch || first.isOlderDue)
	const late = isLate ? yield* readBack(input, known) : undefined
	if (late && 'broke' in late) return ended(known, late.broke, firstSeen)
	const seen = late?.knowledge ?? known
	const present = late?.holding ?? early?.holding
	const all = late ? yield* pollDrifted(pollingOf(input, begun, seen, present), seen, polled) : polled
	if (all.broke && all.broke.kind !== 'fault') return ended(seen, all.broke, firstSeen)

	const second = late ? yield* plan(input, begun, seen, present, all) : first
	const { accepted, results } = second.decided
	const older = second.isOlderDue
		? yield* followOlder(results, { ...second.older, asked: polling.asked })
		: { results, known: seen.older, broke: undefined }
	if (older.broke && older.broke.kind !== 'fault') return ended(seen, older.broke, firstSeen)
	const fault = (all.broke ?? older.broke)?.fault
	// Nothing was learnt, so there is nothing to decide.
	if (fault && ![...all.ones.values()].some(({ finding }) => finding.kind === 'value'))
		return yield* failed(input, { ...seen, ...seenBy(all, seen) }, fault, firstSeen)

	const planned = second.isOlderDue
		? yield* planChange({ ...second.asked, results: older.results }, all, input.rules, digestOf)
		: second.planned
	const written = yield* write(input, seen, present, planned)
	if (written.kind === 'ended') {
		const refused = refusedBy(planned.verdict, second.asked.holding, all.ones, polling.most)
		const knowledge = written.knowledge ?? afterRefusal(seen, refused)
		return ended({ ...knowledge, ...seenBy(all, seen) }, written.broke, firstSeen)
	}
	const { holding, at, unwritten, manifest } = written
	const learnt = afterWrite(seen, { poll: all, older, accepted, written: holding, unwritten, manifest }, at)
	const former = yield* removeFormer(input, learnt)
	if (former.kind === 'refused' || former.kind === 'away') return ended(learnt, former, firstSeen, writtenOf(written))
	return yield* polledResult(
		input,
		{
			partly: begun.due !== undefined,
			poll: all,
			planned: written.planned,
			written,
			older: older.known,
			former,
			fault,
			firstSeen,
		},
		learnt,
	)
}

interface Begun {
	readonly knowledge: Knowledge
	readonly readBack: boolean
	/** names that alone are polled; undefined: all */
	readonly due: ReadonlySet<string> | undefined
	/** number of this whole poll, or of the last one */
	readonly polls: number
	readonly since: number
	readonly basis: Basis
}

function begin(input: PassInput): Begun {
	const { binding, status, source, rules, at, learnFrom } = input
	const isOther = !sameSource(input.knowledge.source, source)
	const known = isOther ? knownOfNo(input.knowledge, source) : input.knowledge
	const ofPass = JSON.stringify([binding.generation, binding.overrides, binding.requested])
	const isNew = (known.ofPass ?? ofPass) !== ofPass || (isOther && input.knowledge.source !== undefined)
	const asked = isNew || isAsked(binding, status, known)
	const seenStatus = learnFrom && afterSeen(known.seenStatus, status, binding.interval, at)
	const isNews = seenStatus !== undefined && seenStatus.text !== known.seenStatus?.text
	const due = asked || isNews ? undefined : namesDue(known, at.monotonic)
	// Another policy judges anew what was flawed.
	const secrets = asked ? new Map([...known.secrets].filter(([, { finding }]) => !finding)) : known.secrets
	return {
		knowledge: {
			...known,
			ofPass,
			secrets,
			...placesOf(known, rules.name),
			...(asked && { refused: undefined }),
			...(seenStatus && { seenStatus }),
		},
		readBack: isReadBackDue(known, asked, at),
		due,
		polls: due ? known.polls : known.polls + 1,
		since: sinceOf(binding, known, asked, due, input),
		basis: seenStatus
			? basisOf(binding, status, source.vaultUrl, seenStatus, holdingOf(known) !== undefined, at)
			: { kind: 'own' },
	}
}

interface Read {
	readonly knowledge: Knowledge
	/** with its bytes; undefined: there is nothing */
	readonly holding: Holding | undefined
	/** this process had not read it before */
	readonly first: boolean
}

function* readBack(input: PassInput, knowledge: Knowledge): Piece<Read | { broke: Refusal | Away }> {
	const { answer, at } = yield* ask({ ask: 'readBack' })
	if (answer.kind === 'refused' || answer.kind === 'away') return { broke: answer }
	const known = afterReadBack(knowledge, answer, input, at)
	const holding = answer.kind === 'ours' ? withManifest(answer.holding, knowledge) : undefined
	return { knowledge: known, holding, first: !knowledge.readBefore }
}

function pollingOf(
	{ binding, at, source, rules }: PassInput,
	{ since, basis }: Begun,
	known: Knowledge,
	present: Holding | undefined,
): Polling {
	const { last, secrets, absentSince, seenAgain, polls, refused } = known
	const names = [
		...(last?.wanted.map(({ name }) => name) ?? []),
		...Object.keys(holdingOf(known)?.manifest?.secrets ?? {}),
	]
	const asked: Asked = { since, lane: holdingOf(known) ? 'refresh' : 'first' }
	return {
		binding,
		vaultUrl: source.vaultUrl,
		asked,
		at,
		polls,
		most: rules.most ?? Number.POSITIVE_INFINITY,
		holding: present ?? holdingOf(known),
		known: secrets,
		absentSince,
		seenAgain,
		refused,
		force: toRead([...new Set(names)], (name) => secrets.get(name)?.finding, known),
		wanted: last?.wanted,
		items: undefined,
		listedAt: undefined,
		statusEntries: basis.kind === 'status' ? basis.entries : undefined,
	}
}

/** All, or only what is due: about the rest the last whole poll is repeated. */
function* poll({ due, basis }: Begun, polling: Polling, { last, secrets, absentSince }: Knowledge): Piece<Poll> {
	const withTexts = (polled: Poll): Poll =>
		basis.kind === 'own' ? polled : { ...polled, ones: withStatusTexts(polled.ones, basis.entries) }
	if (!due || !last) {
		const whole = yield* basis.kind === 'own' ? pollWhole(polling) : pollByStatus(polling, basis)
		return withTexts(confirmedTogether(whole, polling))
	}
	const ones = [...last.findings].map(([name, finding]): [string, One] => [
		name,
		{ finding, known: secrets.get(name), absentSince: absentSince.get(name) },
	])
	const more = yield* pollSome(polling, madeOfTheSame(last.wanted, due))
	const before = { ...last, ones: new Map(ones), broke: undefined, tooMany: undefined }
	return confirmedTogether(merged(before, withTexts(more)), polling)
}

function confirmedTogether(polled: Poll, { holding, vaultUrl, seenAgain }: Polling): Poll {
	const isOpen = (name: string) => {
		const there = secretInManifest(holding, name, vaultUrl)
		return there !== undefined && (there.state !== 'Absent' || seenAgain.has(name))
	}
	return { ...polled, ones: absentTogether(polled.ones, isOpen) }
}

/**
 * Reads what the read back showed as missing or edited, unless this poll has its value already. So it does what is there as it
 * was before: what was known when the poll began is known of something else then.
 */
function* pollDrifted(polling: Polling, known: Knowledge, polled: Poll): Piece<Poll> {
	const findingOf = (name: string) => polled.ones.get(name)?.finding
	const names = polled.wanted.map(({ name }) => name).filter((name) => isRepeated(findingOf(name)))
	const isOther = (name: string) => polled.ones.get(name)?.known !== undefined && !known.secrets.has(name)
	const drift = new Set([...toRead(names, findingOf, known), ...names.filter(isOther)])
	if (drift.size === 0) return polled
	return merged(polled, yield* pollSome({ ...polling, ...polled.listed }, madeOfTheSame(polled.wanted, drift)))
}

interface Plan {
	readonly decided: Decided
	readonly asked: ChangeInput
	readonly planned: Planned
	readonly older: Omit<OlderInput, 'asked'>
	/** what is there is to be changed */
	readonly isPatch: boolean
	readonly isOlderDue: boolean
}

/** What becomes of each secret by this poll, and what that changes. Older versions wait for a whole poll. */
function* plan(
	input: PassInput,
	{ due, basis }: Begun,
	known: Knowledge,
	present: Holding | undefined,
	polled: Poll,
): Piece<Plan> {
	yield* pauseAfter(polled.wanted)
	const { binding, source, rules } = input
	const { most = Number.POSITIVE_INFINITY } = rules
	const { vaultUrl } = source
	const { accepted, polls, revision } = known
	const holding = present ?? holdingOf(known)
	const decided = decide(binding, vaultUrl, polled, { holding, accepted })
	const statusEntries = basis.kind === 'own' ? undefined : basis.entries
	const asked = { binding, vaultUrl, results: decided.results, holding, revision, statusEntries }
	yield* pauseAfter(decided.results)
	const planned = yield* planChange(asked, polled, rules, digestOf)
	const older: Omit<OlderInput, 'asked'> = {
		vaultUrl,
		polls,
		most,
		holding,
		accepted,
		known: known.older,
		statusEntries,
	}
	return {
		decided,
		asked,
		planned,
		older,
		isPatch: holding !== undefined && planned.verdict.kind === 'fits',
		isOlderDue: !due && decided.results.some((result) => isOlderDue(result, older)),
	}
}
