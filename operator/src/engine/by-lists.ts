import type { VaultSecret, VersionFacts } from '../ports/vault.ts'
import { type ListKnowledge, listPagesAllowed } from './known.ts'
import { listedVersion } from './listed-version.ts'
import type { SecretFacts } from './probe.ts'
import { type Answers, ask, type Moment, type Piece, type Questions } from './questions.ts'
import { MAX_VERSION_PAGES } from './versions.ts'

/** What decides whether the list of the vault is worth its pages. */
export interface ListCosts {
	readonly lists: ListKnowledge
	/** how many secrets of the vault are followed by all bindings of the session, and by this one */
	readonly followed: number
	readonly wanted: number
}

type Read = Answers['read']
const absent: Read = { kind: 'fault', fault: { kind: 'absent' } }

/**
 * What a read would tell besides the value, without reading it; the value is empty.
 *
 * 1. The current version: by the list of the vault when that costs no more calls than asking for each secret, else by the list
 *    of its versions, of which the one that was created last is the current one.
 * 2. A certain version: by the list of versions.
 * 3. A gap is `absent`, as the engine needs it to begin to wait; nodes confirm it by reads of their own.
 */
export function* readByLists(
	{ objectName, version, since, lane }: Pick<Questions['read'], 'objectName' | 'version' | 'since' | 'lane'>,
	{ lists, followed, wanted }: ListCosts,
	at: Moment,
): Piece<Read> {
	const asked = { since, lane }
	// Where lists are denied those of versions are as well: one call says so for all secrets.
	const allowed = () => (lists.denied ? 1 : listPagesAllowed({ followed, wanted, needed: 0 }, lists, at.monotonic))
	const pages = version === undefined ? allowed() : undefined
	if (pages !== undefined) {
		const { answer } = yield* ask({ ask: 'list', pages, ...asked })
		if (answer.kind !== 'listing') return answer
		const { listing } = answer
		if (listing.complete) {
			const facts = listing.items.get(objectName.toLowerCase())
			return facts ? readOf(facts, listedVersion(facts.updated), listing) : absent
		}
	}
	const { answer, at: arrived } = yield* ask({ ask: 'versions', objectName, pages: MAX_VERSION_PAGES, ...asked })
	if (answer.kind !== 'versions') return answer
	if (!answer.listing.complete) return { kind: 'fault', fault: { kind: 'historyTooLong' } }
	const facts = versionOf(answer.listing.versions, version)
	if (!facts) return absent
	// Lists of versions come without the server's time. Nodes settle by their own reads, so ours will do.
	const { answeredAt } = answer.listing
	return readOf(facts, version ?? listedVersion(facts.updated), { serverTime: arrived.now, answeredAt })
}

function versionOf(versions: readonly VersionFacts[], version: string | undefined): VersionFacts | undefined {
	if (version !== undefined) return versions.find((each) => each.version === version)
	return versions.toSorted((a, b) => (b.created ?? 0) - (a.created ?? 0))[0]
}

function readOf(
	facts: SecretFacts,
	version: string,
	{ serverTime, answeredAt }: Pick<VaultSecret, 'serverTime' | 'answeredAt'>,
): Read {
	if (!facts.enabled) return { kind: 'fault', fault: { kind: 'disabled' } }
	const { enabled, created, updated, notBefore, expires, contentType, managed, tags, tagsDigest } = facts
	const only = { created, updated, notBefore, expires, contentType, managed, tagsDigest }
	const said = Object.fromEntries(Object.entries(only).filter(([, value]) => value !== undefined))
	const secret: VaultSecret = { version, value: () => '', facts: { enabled, tags, ...said }, serverTime, answeredAt }
	return { kind: 'secret', secret }
}
