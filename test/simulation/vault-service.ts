// What a process gets to know of the vaults: requests over the network, pages, and what lists were found to cost.
import { traitsOf } from '../../operator/src/engine/fault.ts'
import type { ListKnowledge } from '../../operator/src/engine/known.ts'
import type {
	ListedSecret,
	VaultListing,
	VaultSecret,
	VersionFacts,
	VersionListing,
} from '../../operator/src/ports/vault.ts'
import type { Found, Page, SecretVersion } from '../emulator/src/secrets/model.ts'
import { seededRandom } from '../kit/random.ts'
import type { Kind } from './faults.ts'
import { type Life, Network, type Reply } from './network.ts'
import type { World } from './world.ts'

type Facts = Omit<VersionFacts, 'version'>

function factsOf({
	enabled,
	created,
	updated,
	notBefore,
	expires,
	contentType,
	managed,
	tags = {},
}: SecretVersion): Facts {
	return {
		enabled,
		created,
		updated,
		...(notBefore === undefined ? {} : { notBefore }),
		...(expires === undefined ? {} : { expires }),
		...(contentType === undefined ? {} : { contentType }),
		...(managed ? { managed } : {}),
		tags: { ...tags },
	}
}

/** Most pages are full; recorded ones were short, or empty, while more followed. */
const PAGE_SIZES = [25, 25, 25, 4, 1, 0] as const
// An empty page follows an empty one as seldom as in the recordings.
const MAX_EMPTY = 2

/** As vault/shared.ts keeps it: a fault as well, and for half a minute. */
interface SharedAnswer {
	askedAt: number
	arrivedAt: number
	reply: Reply<unknown>
	/** most pages that whoever asks again may allow: what was broken off does not serve who allows more */
	pages: number
}
const KEPT_MS = 30_000
const ALL = Number.POSITIVE_INFINITY

/** Which answers will do. */
interface Since {
	readonly since: number
	readonly pages: number
}
type Arrived<T> = (reply: Reply<T>, pages: number) => void
/** Other bindings, or other volumes of a node, ask what this one has asked: one time in so many, within a poll and a half. */
const NEIGHBOUR_ASKS = 3
const NEIGHBOUR_MS = 90_000

export class VaultService {
	readonly #world: World
	readonly #alive: () => Life
	readonly #random: () => number
	/** of neighbours: what they ask changes nothing of how long our own requests take, and takes no fault from them */
	readonly #others: Network
	readonly #chance: () => number
	readonly #lists = new Map<string, ListKnowledge>()
	readonly #shared = new Map<string, SharedAnswer>()

	constructor(world: World, random: () => number, alive: () => Life) {
		this.#world = world
		this.#random = random
		this.#chance = seededRandom(world.agenda.monotonic + 1)
		this.#others = new Network(world.agenda, { take: (kind) => world.faults.lasting(kind) }, this.#chance, () => {})
		this.#alive = alive
	}

	/** What lists of this vault, read with this identity, were found to cost. */
	lists(session: string): ListKnowledge {
		return this.#lists.get(session) ?? { pages: undefined, at: 0, denied: false }
	}

	/** An answer that somebody of this process got to the same question, asked since then with the same identity, will do. */
	#ask<T extends object>(
		question: string,
		{ since, pages }: Since,
		begin: (network: Network, arrive: Arrived<T>) => void,
		arrive: (reply: Reply<T>) => void,
	): void {
		const { agenda } = this.#world
		const known = this.#shared.get(question)
		if (known && known.askedAt >= since && known.pages >= pages && agenda.monotonic - known.arrivedAt < KEPT_MS) {
			agenda.after(0, () => {
				if (this.#alive() === 'alive') arrive(known.reply as Reply<T>)
			})
			return
		}
		const put = (network: Network, then: (reply: Reply<T>) => void) => {
			const askedAt = agenda.monotonic
			begin(network, (answer, serves) => {
				const reply: Reply<T> =
					answer.kind === 'ok' ? { ...answer, value: { ...answer.value, answeredAt: agenda.monotonic } } : answer
				const before = this.#shared.get(question)
				if (!before || before.askedAt <= askedAt)
					this.#shared.set(question, { askedAt, arrivedAt: agenda.monotonic, reply, pages: serves })
				then(reply)
			})
		}
		put(this.#world.network, arrive)
		if (this.#chance() * NEIGHBOUR_ASKS >= 1) return
		agenda.after(Math.floor(this.#chance() * NEIGHBOUR_MS), () => {
			if (this.#alive() === 'alive') put(this.#others, () => {})
		})
	}

	read(
		session: string,
		vault: string,
		{ objectName, version, since }: { objectName: string; version: string | undefined; since: number },
		arrive: (reply: Reply<VaultSecret>) => void,
	): void {
		const { vaults, agenda, requests } = this.#world
		const work = (): VaultSecret => {
			requests.reads++
			const { version: stored } = vaults.vault(vault).get(objectName, version)
			return {
				version: stored.version,
				value: () => stored.value,
				facts: factsOf(stored),
				serverTime: dateOf(agenda.serverNow()),
			}
		}
		const begin = (network: Network, arrived: Arrived<VaultSecret>) =>
			network.send<VaultSecret>('read', work, (reply) => arrived(reply, 0), this.#alive)
		this.#ask(`read ${session} ${objectName} ${version}`, { since, pages: 0 }, begin, arrive)
	}

	list(session: string, vault: string, since: Since, arrive: (reply: Reply<VaultListing>) => void): void {
		const begin = (network: Network, arrived: Arrived<VaultListing>) =>
			this.#list(network, { session, vault, limit: since.pages }, arrived)
		this.#ask(`list ${session}`, since, begin, arrive)
	}

	#list(
		network: Network,
		{ session, vault, limit }: { session: string; vault: string; limit: number },
		arrive: Arrived<VaultListing>,
	): void {
		const { vaults, agenda, requests } = this.#world
		requests.lists++
		const page = (after: string | undefined, size: number) => vaults.vault(vault).list(after, size)
		this.#pages(network, 'list', page, limit, (reply, pages, complete) => {
			const at = agenda.monotonic
			if (reply.kind !== 'ok') {
				const denied = reply.kind === 'fault' && traitsOf(reply.fault).class === 'permission'
				if (denied) this.#lists.set(session, { pages: undefined, at, denied })
				return arrive(reply, ALL)
			}
			this.#lists.set(session, { pages, at, denied: false })
			if (!complete) return arrive({ kind: 'ok', value: { complete, pages } }, limit)
			const items = new Map<string, ListedSecret>(
				reply.value.map(({ name, version }) => [name.toLowerCase(), { objectName: name, ...factsOf(version) }]),
			)
			arrive({ kind: 'ok', value: { complete, pages, items, serverTime: dateOf(agenda.serverNow()) } }, ALL)
		})
	}

	versions(
		session: string,
		vault: string,
		{ objectName, ...since }: { objectName: string } & Since,
		arrive: (reply: Reply<VersionListing>) => void,
	): void {
		const begin = (network: Network, arrived: Arrived<VersionListing>) =>
			this.#versions(network, { vault, objectName, limit: since.pages }, arrived)
		this.#ask(`versions ${session} ${objectName}`, since, begin, arrive)
	}

	#versions(
		network: Network,
		{ vault, objectName, limit }: { vault: string; objectName: string; limit: number },
		arrive: Arrived<VersionListing>,
	): void {
		const { vaults } = this.#world
		const page = (after: string | undefined, size: number) => vaults.vault(vault).listVersions(objectName, after, size)
		this.#pages(network, 'versions', page, limit, (reply, pages, complete) => {
			if (reply.kind !== 'ok') return arrive(reply, ALL)
			if (!complete) return arrive({ kind: 'ok', value: { complete, pages } }, limit)
			const versions = reply.value.map(({ version }) => ({ version: version.version, ...factsOf(version) }))
			arrive({ kind: 'ok', value: { complete, versions } }, ALL)
		})
	}

	/** One page after the other, each a request of its own: what is listed may change meanwhile. */
	#pages(
		network: Network,
		kind: Kind,
		read: (after: string | undefined, size: number) => Page<Found>,
		limit: number,
		done: (reply: Reply<Found[]>, pages: number, complete: boolean) => void,
	): void {
		const random = network === this.#others ? this.#chance : this.#random
		const items: Found[] = []
		let [pages, empty] = [0, 0]
		const ask = (after: string | undefined) => {
			let size: number = PAGE_SIZES[Math.floor(random() * PAGE_SIZES.length)] ?? 25
			if (size === 0 && empty++ >= MAX_EMPTY) size = 25
			const work = (): Page<Found> => (size === 0 ? { items: [], more: true } : read(after, size))
			const arrived = (reply: Reply<Page<Found>>) => {
				if (reply.kind !== 'ok') return done(reply, pages, false)
				pages++
				items.push(...reply.value.items)
				const { last, more } = reply.value
				if (!more) return done({ kind: 'ok', value: items }, pages, true)
				if (pages >= limit) return done({ kind: 'ok', value: items }, pages, false)
				ask(last ?? after)
			}
			network.send(kind, work, arrived, this.#alive)
		}
		ask(undefined)
	}
}

/** A Date header has whole seconds. */
const dateOf = (now: number) => Math.floor(now / 1000) * 1000
