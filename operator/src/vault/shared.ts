import { traitsOf, type VaultFault } from '../engine/fault.ts'
import type { ListKnowledge } from '../engine/known.ts'
import { KubeError } from '../ports/kube-error.ts'
import {
	type Ask,
	type Demand,
	type PageLimit,
	VaultError,
	type VaultListing,
	type VaultReader,
	type VaultSecret,
	type VaultSession,
	type VersionListing,
} from '../ports/vault.ts'
import type { Clock, Random } from '../process/clock.ts'
import type { Answers, Kept } from './answers.ts'
import { createDemands } from './demands.ts'
import { bytesOf } from './facts.ts'
import { type Flight, type Joining, startFlight } from './flight.ts'

export interface SharedOptions {
	clock: Clock
	random: Random
	/** of all sessions of this process */
	answers: Answers
	/** whose session it is */
	namespace: string
	/** a binding follows something in this session now */
	onFollow(binding: string): void
}

/** A session that can be closed; the pool holds these. */
export interface SharedSession extends VaultSession {
	leave(binding: string): void
	/** monotonic, milliseconds; now while a call is under way */
	readonly usedAt: number
	readonly followers: number
	/** Ends the calls that are under way and forgets all answers. */
	close(): void
}

/** What an answer is good for. */
type Traits = Pick<Answer, 'bytes' | 'serves'>

/** What a question came to. */
interface Answer extends Kept {
	begun: number
	outcome: { ok: unknown } | { error: unknown }
	/** whether it answers a question that allows so many pages */
	serves(limit: PageLimit): boolean
}

// Phases are spread over the longest interval that a binding may have, so that they are spread over shorter ones as well.
const PHASES_MS = 24 * 3_600_000

const NO_PAGES: PageLimit = { pages: 0 }

// Session faults that still may be about the question: get and list are apart in access policies, and one broken item of a
// vault must not end the polls of bindings that do not want it.
const ABOUT_THE_QUESTION: ReadonlySet<VaultFault['kind']> = new Set(['accessDenied', 'garbage', 'server'])

/**
 * One identity's view of one vault, shared by its bindings. Nothing in here ever leaves the session.
 *
 * 1. A question is answered by the last answer to it, or by a call under way, if that was begun at or after `ask.since`.
 *    What counts is when the call was begun: that what it says was true then or later.
 * 2. So is a fault, for the same question; and for any question one that all would meet, until a later call succeeds.
 * 3. Otherwise a call is begun. It goes on when one of its callers aborts, and ends when all have. A list reads as many
 *    pages as any of its callers allows.
 * 4. Answers are dropped after half a minute (see answers.ts), and at once when nobody follows anything here any more: values do not
 *    live long in memory.
 *
 * A first sync does not join a refresh, which may be waiting at the end of the queue.
 */
export function createShared(reader: VaultReader, options: SharedOptions): SharedSession {
	const { clock, answers } = options
	const known = new Map<string, Answer>()
	const flights = new Map<string, Flight<unknown>>()
	const running = new Set<Flight<unknown>>()
	const demands = createDemands()
	const phase = Math.floor(options.random() * PHASES_MS)
	let lists: ListKnowledge = { pages: undefined, at: clock.monotonic(), denied: false }
	let usedAt = clock.monotonic()
	/** the last fault that any question would have met, and when the last call that succeeded was begun */
	let down: { begun: number; error: unknown } | undefined
	let upAt = Number.NEGATIVE_INFINITY

	// Not within `begin`: what is kept of an answer would hold on to all of its call, for as long.
	const arrived = (question: string, begun: number, outcome: Answer['outcome'], traits: Traits) => {
		const before = known.get(question)
		if (before && before.begun > begun) return
		if (before) answers.forget(before)
		const now = clock.monotonic()
		const answer: Answer = {
			owner: options.namespace,
			begun,
			outcome,
			...traits,
			arrivedAt: now,
			usedAt: now,
			drop: () => known.get(question) === answer && known.delete(question),
		}
		known.set(question, answer)
		answers.keep(answer)
	}

	const begin = <T>(
		question: string,
		ask: Ask,
		{ pages }: PageLimit,
		call: (ask: Ask, limit: PageLimit) => Promise<T>,
		traits: (value: T) => Traits,
	): Flight<T> => {
		const begun = clock.monotonic()
		const limit = { pages }
		const run = async (own: Required<Joining>): Promise<T> => {
			const { signal } = own
			try {
				const value = await call({ since: begun, lane: ask.lane, ...own }, limit)
				if (signal.aborted) throw signal.reason
				upAt = Math.max(upAt, begun)
				if (down && down.begun <= upAt) down = undefined
				arrived(question, begun, { ok: value }, traits(value))
				return value
			} catch (error) {
				if (signal.aborted) throw error
				if (isSessionWide(error) && begun > upAt && begun >= (down?.begun ?? begun)) down = { begun, error }
				// A list that was refused is refused whatever it may cost.
				arrived(question, begun, { error }, { bytes: 0, serves: () => true })
				throw error
			}
		}
		const flight = startFlight({ begun, lane: ask.lane, limit }, run, () => {
			usedAt = clock.monotonic()
			running.delete(flight)
			if (flights.get(question) === flight) flights.delete(question)
		})
		flights.set(question, flight)
		running.add(flight)
		return flight
	}

	const answer = async <T>(
		question: string,
		ask: Ask,
		limit: PageLimit,
		call: (ask: Ask, limit: PageLimit) => Promise<T>,
		traits: (value: T) => Traits,
	): Promise<T> => {
		ask.signal.throwIfAborted()
		usedAt = clock.monotonic()
		answers.sweep()
		for (;;) {
			const last = known.get(question)
			if (last && last.begun >= ask.since && last.serves(limit)) {
				answers.used(last)
				if ('error' in last.outcome) throw last.outcome.error
				return last.outcome.ok as T
			}
			if (down && down.begun >= ask.since) throw down.error
			const flight = flights.get(question) as Flight<T> | undefined
			if (!flight || flight.begun < ask.since || (flight.lane === 'refresh' && ask.lane === 'first'))
				return begin(question, ask, limit, call, traits).join(ask)
			flight.limit.pages = Math.max(flight.limit.pages, limit.pages)
			const value = await flight.join(ask)
			// It was broken off just before more pages were allowed, otherwise.
			if (traits(value).serves(limit)) return value
		}
	}

	const answeredNow = <T extends object>(what: T) => ({ ...what, answeredAt: clock.monotonic() })

	const forgetAll = () => {
		for (const kept of [...known.values()]) answers.forget(kept)
	}

	// A list keeps no other tags than its followers name, so one that was begun before another was named is another question.
	const kept = (question: string) => {
		const tags = demands.tags()
		return { tags, question: tags ? `${question} ${JSON.stringify([...tags].sort())}` : question }
	}

	const list = async (limit: PageLimit, ask: Ask): Promise<VaultListing> => {
		try {
			const listing = await reader.list(limit, ask)
			lists = { pages: listing.pages, at: clock.monotonic(), denied: false }
			return listing
		} catch (error) {
			const kind = error instanceof VaultError ? error.fault.kind : undefined
			// Roles can be given for single secrets, and access policies for get alone: then list is denied and reading works.
			if (kind === 'forbiddenRbac' || kind === 'accessDenied' || kind === 'forbidden')
				lists = { ...lists, at: clock.monotonic(), denied: true }
			throw error
		}
	}

	return {
		get issuer() {
			return reader.issuer
		},
		get lists() {
			return lists
		},
		get usedAt() {
			return running.size > 0 ? clock.monotonic() : usedAt
		},
		get followers() {
			return demands.size
		},
		read: (objectName, version, ask) =>
			answer<VaultSecret>(
				`read ${objectName.toLowerCase()} ${version ?? ''}`,
				ask,
				NO_PAGES,
				async (own) => answeredNow(await reader.read(objectName, version, own)),
				// Two bytes a character at most: the engine keeps text as Latin-1 or UTF-16.
				(secret) => ({ bytes: 2 * secret.value().length, serves: () => true }),
			),
		list: (limit, ask) => {
			const { tags, question } = kept('list')
			const call = async (own: Ask, shared: PageLimit) => answeredNow(await list(shared, { ...own, tags }))
			return answer<VaultListing>(question, ask, limit, call, aboutList)
		},
		versions: (objectName, limit, ask) => {
			const { tags, question } = kept(`versions ${objectName.toLowerCase()}`)
			const call = async (own: Ask, shared: PageLimit) =>
				answeredNow(await reader.versions(objectName, shared, { ...own, tags }))
			return answer<VersionListing>(question, ask, limit, call, aboutList)
		},
		follow(binding: string, demand: Demand) {
			demands.set(binding, demand)
			options.onFollow(binding)
		},
		leave(binding) {
			demands.delete(binding)
			if (demands.size === 0) forgetAll()
		},
		followed: demands.distinct,
		nextTick(interval) {
			const now = clock.monotonic()
			// The phase is whole, so multiples of a whole interval are exact and a tick of 60 s is one of 30 s too.
			const tick = phase + (Math.floor((now - phase) / interval) + 1) * interval
			return tick > now ? tick : tick + interval
		},
		close() {
			for (const flight of running) flight.abort(new Error('the session was closed'))
			forgetAll()
			down = undefined
		},
	}
}

// A broken-off list has read one page more than was allowed: there are at least that many.
const aboutList = (listing: VaultListing | VersionListing): Traits => ({
	bytes: listing.complete ? sizeOf(listing) : 0,
	serves: ({ pages }) => listing.complete || pages < listing.pages,
})

function sizeOf(listing: Extract<VaultListing | VersionListing, { complete: true }>): number {
	let bytes = 0
	for (const item of 'items' in listing ? listing.items.values() : listing.versions) bytes += bytesOf(item)
	return bytes
}

/** Whether any other question would have met it as well: it lies with the identity, the network or the whole vault. */
function isSessionWide(error: unknown): boolean {
	// No token from the API server: no question can be asked.
	if (error instanceof KubeError) return true
	if (!(error instanceof VaultError)) return false
	return traitsOf(error.fault).session && !ABOUT_THE_QUESTION.has(error.fault.kind)
}
