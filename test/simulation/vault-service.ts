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
import type { Kind } from './faults.ts'
import type { Life, Reply } from './network.ts'
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
	reply: Reply<VaultSecret>
}
const KEPT_MS = 30_000

export class VaultService {
	readonly #world: World
	readonly #alive: () => Life
	readonly #random: () => number
	readonly #lists = new Map<string, ListKnowledge>()
	readonly #shared: Map<string, SharedAnswer> | undefined

	/** @param shared answers are kept for all volumes of a node */
	constructor(world: World, random: () => number, alive: () => Life, shared = false) {
		this.#world = world
		this.#shared = shared ? new Map() : undefined
		this.#random = random
		this.#alive = alive
	}

	/** What lists of this vault, read with this identity, were found to cost. */
	lists(session: string): ListKnowledge {
		return this.#lists.get(session) ?? { pages: undefined, at: 0, denied: false }
	}

	/** An answer that somebody of this process got to the same question, asked since then with the same identity, will do. */
	read(
		session: string,
		vault: string,
		{ objectName, version, since }: { objectName: string; version: string | undefined; since: number },
		arrive: (reply: Reply<VaultSecret>) => void,
	): void {
		const { network, vaults, agenda, requests } = this.#world
		const key = `${session}/${objectName}/${version}`
		const known = this.#shared?.get(key)
		if (known && known.askedAt >= since && agenda.monotonic - known.arrivedAt < KEPT_MS) {
			agenda.after(0, () => {
				if (this.#alive() === 'alive') arrive(known.reply)
			})
			return
		}
		const askedAt = agenda.monotonic
		const arrived = (reply: Reply<VaultSecret>) => {
			const before = this.#shared?.get(key)
			if (!before || before.askedAt <= askedAt) this.#shared?.set(key, { askedAt, arrivedAt: agenda.monotonic, reply })
			arrive(reply)
		}
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
		network.send('read', work, arrived, this.#alive)
	}

	list(session: string, vault: string, limit: number, arrive: (reply: Reply<VaultListing>) => void): void {
		const { vaults, agenda, requests } = this.#world
		requests.lists++
		const page = (after: string | undefined, size: number) => vaults.vault(vault).list(after, size)
		this.#pages('list', page, limit, (reply, pages, complete) => {
			const at = agenda.monotonic
			if (reply.kind !== 'ok') {
				const denied = reply.kind === 'fault' && traitsOf(reply.fault).class === 'permission'
				if (denied) this.#lists.set(session, { pages: undefined, at, denied })
				return arrive(reply)
			}
			this.#lists.set(session, { pages, at, denied: false })
			if (!complete) return arrive({ kind: 'ok', value: { complete, pages } })
			const items = new Map<string, ListedSecret>(
				reply.value.map(({ name, version }) => [name.toLowerCase(), { objectName: name, ...factsOf(version) }]),
			)
			arrive({ kind: 'ok', value: { complete, pages, items, serverTime: dateOf(agenda.serverNow()) } })
		})
	}

	versions(vault: string, objectName: string, limit: number, arrive: (reply: Reply<VersionListing>) => void): void {
		const { vaults } = this.#world
		const page = (after: string | undefined, size: number) => vaults.vault(vault).listVersions(objectName, after, size)
		this.#pages('versions', page, limit, (reply, pages, complete) => {
			if (reply.kind !== 'ok') return arrive(reply)
			if (!complete) return arrive({ kind: 'ok', value: { complete, pages } })
			const versions = reply.value.map(({ version }) => ({ version: version.version, ...factsOf(version) }))
			arrive({ kind: 'ok', value: { complete, versions } })
		})
	}

	/** One page after the other, each a request of its own: what is listed may change meanwhile. */
	#pages(
		kind: Kind,
		read: (after: string | undefined, size: number) => Page<Found>,
		limit: number,
		done: (reply: Reply<Found[]>, pages: number, complete: boolean) => void,
	): void {
		const { network } = this.#world
		const items: Found[] = []
		let [pages, empty] = [0, 0]
		const ask = (after: string | undefined) => {
			let size: number = PAGE_SIZES[Math.floor(this.#random() * PAGE_SIZES.length)] ?? 25
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
