import { listPagesAllowed } from '../engine/known.ts'
import { listedVersion } from '../engine/listed-version.ts'
import type { SecretFacts } from '../engine/probe.ts'
import { MAX_VERSION_PAGES } from '../engine/versions.ts'
import { type Ask, VaultError, type VaultSecret, type VaultSession } from '../ports/vault.ts'
import type { Clock } from '../process/clock.ts'

/** A session as far as it tells no values: whoever holds only this cannot read one. */
export type Lists = Omit<VaultSession, 'read'>

/**
 * A session that reads no value: what is asked of a secret is answered by lists, with an empty value.
 *
 * 1. The current version: by the list of the vault when that costs no more calls than asking for each secret, else by the list
 *    of its versions, of which the one that was created last is the current one.
 * 2. A certain version: by the list of versions.
 * 3. A gap is `absent`, as the engine needs it to begin to wait; nodes confirm it by reads of their own.
 *
 * The session keeps each answer for the others that ask at the same time, so the same list is asked for once.
 *
 * @param follows how many secrets of the vault the binding wants, and how often it looks
 */
export function withoutValues(
	session: Lists,
	follows: { readonly wanted: number; readonly interval: number },
	clock: Clock,
): VaultSession {
	const versionsOf = async (objectName: string, ask: Ask) => {
		const listing = await session.versions(objectName, { pages: MAX_VERSION_PAGES }, ask)
		if (!listing.complete) throw new VaultError({ kind: 'historyTooLong' })
		if (listing.versions.length === 0) throw new VaultError({ kind: 'absent' })
		return listing.versions
	}
	const listedAll = async (ask: Ask) => {
		const { lists } = session
		const counts = { followed: session.followed(follows.interval), wanted: follows.wanted, needed: 0 }
		// Where lists are denied those of versions are as well: one call says so for all secrets.
		const pages = lists.denied ? 1 : listPagesAllowed(counts, lists, clock.monotonic())
		if (pages === undefined) return undefined
		const listing = await session.list({ pages }, ask)
		return listing.complete ? listing : undefined
	}
	const current = async (objectName: string, ask: Ask): Promise<VaultSecret> => {
		const all = await listedAll(ask)
		if (all) {
			const facts = all.items.get(objectName.toLowerCase())
			if (!facts) throw new VaultError({ kind: 'absent' })
			return usable(facts, listedVersion(facts.updated), all.serverTime)
		}
		const versions = await versionsOf(objectName, ask)
		const newest = versions.reduce((a, b) => ((b.created ?? 0) > (a.created ?? 0) ? b : a))
		// Lists of versions come without the server's time. Nodes settle by their own reads, so ours will do.
		return usable(newest, listedVersion(newest.updated), clock.now())
	}
	const certain = async (objectName: string, version: string, ask: Ask): Promise<VaultSecret> => {
		const facts = (await versionsOf(objectName, ask)).find((each) => each.version === version)
		if (!facts) throw new VaultError({ kind: 'absent' })
		return usable(facts, version, clock.now())
	}
	return {
		read: (objectName, version, ask) =>
			version === undefined ? current(objectName, ask) : certain(objectName, version, ask),
		list: (limit, ask) => session.list(limit, ask),
		versions: (objectName, limit, ask) => session.versions(objectName, limit, ask),
		follow: (binding, demand) => session.follow(binding, demand),
		followed: (interval) => session.followed(interval),
		nextTick: (interval) => session.nextTick(interval),
		get lists() {
			return session.lists
		},
		get issuer() {
			return session.issuer
		},
	}
}

function usable(facts: SecretFacts, version: string, serverTime: number | undefined): VaultSecret {
	if (!facts.enabled) throw new VaultError({ kind: 'disabled' })
	const { enabled, created, updated, notBefore, expires, contentType, managed, tags, tagsDigest } = facts
	const only = { enabled, created, updated, notBefore, expires, contentType, managed, tags, tagsDigest }
	const said = Object.entries(only).filter(([, value]) => value !== undefined)
	return { version, value: () => '', facts: { enabled, tags, ...Object.fromEntries(said) }, serverTime }
}
