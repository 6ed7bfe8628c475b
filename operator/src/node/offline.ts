import type { Manifest } from 'purista-azure-mounted-secret-store/manifest'
import type { NodeMemory } from '../destinations/volume/memory.ts'
import type { Content } from '../engine/decode.ts'
import type { Source } from '../engine/source.ts'
import { countIn, mostOf } from '../process/counts.ts'

/** What a volume held when the vault last said that it is right. */
export interface Snapshot {
	readonly files: ReadonlyMap<string, Content>
	readonly manifest: Manifest
}

/** For whom values are kept. */
export interface OfflineKey {
	/** of the binding */
	readonly uid: string
	/** all else that decides what is delivered: another one wants other secrets, or other versions of them */
	readonly variant: string
	readonly source: Source
}

/** What the vault has said of all of a volume: monotonic times. */
export interface Confirmed {
	/** when it last said that all of it is right */
	readonly at: number
	/** when all of it was last asked for here: what the identity was denied before then counts no more */
	readonly readAt: number
}

/** What is kept of volumes, for pods that start while the vault is away. In the memory of this process alone. */
export interface OfflineValues {
	/**
	 * In place of what is kept of the binding, unless that was confirmed later. Of an identity that was denied anything of it nothing is
	 * kept that was read before.
	 *
	 * @param forMs from `confirmed` on; 0 forgets
	 * @param confirmed default: now
	 */
	keep(key: OfflineKey, snapshot: Snapshot, forMs: number, confirmed?: Confirmed): void
	/** undefined: nothing, or it is too old */
	get(key: OfflineKey): Snapshot | undefined
	/** Forgets all of a binding. */
	forget(uid: string): void
	/** Forgets all of a binding: its identity may not have it any more. */
	deny(uid: string): void
	/** Forgets all that was read with an identity: it may read nothing any more. */
	denyIdentity(source: Source): void
	/** Forgets what is too old. */
	sweep(): void
	readonly size: number
	readonly bytes: number
}

// Of all bindings together: two volumes of the largest kind, or a hundred of the usual one. Less where volumes leave less of the
// node's share (--node-memory): what is kept here goes first.
const MAX_BYTES = 8 * 1024 * 1024
// Bindings and identities that were denied something. A node has some hundreds at a time: 250 pods, and 256 watches of bindings.
const MAX_DENIED = 4_096

interface Kept {
	readonly key: OfflineKey
	readonly snapshot: Snapshot
	readonly endsAt: number
	readonly bytes: number
}

/**
 * Values are kept for a binding as it is and for one identity; nobody else is given them. They end `forMs` after the vault last
 * confirmed them, whoever asks, and at once when the vault or Entra denies them.
 */
export function createOfflineValues(
	clock: { monotonic(): number },
	memory: Pick<NodeMemory, 'left' | 'onLess'>,
): OfflineValues {
	/** oldest first */
	const kept = new Map<string, Kept>()
	/** when the uid of a binding, or an identity, was denied something last; the longest ago first */
	const denied = new Map<string, number>()
	const textOf = ({ uid, variant, source }: OfflineKey) => JSON.stringify([uid, variant, source])
	const sum = () => [...kept.values()].reduce((all, { bytes }) => all + bytes, 0)
	const forget = (isGone: (each: Kept) => boolean) => {
		for (const [text, each] of kept) if (isGone(each)) kept.delete(text)
	}
	/** A pod that runs and has nothing to ask would bring back at its next pass what is forgotten now. */
	const deny = (whom: string) => {
		denied.delete(whom)
		denied.set(whom, clock.monotonic())
		const [first] = denied.keys()
		if (denied.size > MAX_DENIED && first !== undefined) denied.delete(first)
	}
	const wasDenied = ({ uid, source }: OfflineKey, since: number) =>
		[uid, identityOf(source)].some((whom) => (denied.get(whom) ?? Number.NEGATIVE_INFINITY) >= since)
	/** The oldest of the namespace that has most: otherwise one with two large volumes leaves no pod of others a start. */
	const nextToGo = () => {
		const bytesOf = new Map<string, number>()
		for (const { key, bytes } of kept.values()) countIn(bytesOf, key.source.namespace, bytes)
		const most = mostOf(bytesOf)
		return [...kept].find(([, { key }]) => key.source.namespace === most)?.[0]
	}
	const shrink = (left: number) => {
		while (sum() > Math.min(left, MAX_BYTES)) kept.delete(nextToGo() ?? '')
	}
	memory.onLess(shrink)
	const sweep = () => {
		const now = clock.monotonic()
		forget(({ endsAt }) => endsAt <= now)
		shrink(memory.left)
	}
	return {
		keep(key, snapshot, forMs, confirmed = { at: clock.monotonic(), readAt: clock.monotonic() }) {
			const endsAt = confirmed.at + forMs
			// Another volume of the binding has heard of it later, and of another version perhaps.
			const isOlder = endsAt < (kept.get(textOf(key))?.endsAt ?? Number.NEGATIVE_INFINITY)
			if (forMs > 0 && (isOlder || wasDenied(key, confirmed.readAt))) return sweep()
			// A binding has one identity and asks for one thing at a time: nothing of before is ever asked for again.
			forget((each) => each.key.uid === key.uid)
			if (forMs <= 0) return
			const bytes = [...snapshot.files.values()].reduce((all, content) => all + Buffer.byteLength(content), 0)
			kept.set(textOf(key), { key, snapshot, endsAt, bytes })
			sweep()
		},
		get(key) {
			const entry = kept.get(textOf(key))
			return entry && entry.endsAt > clock.monotonic() ? entry.snapshot : undefined
		},
		forget: (uid) => forget(({ key }) => key.uid === uid),
		deny(uid) {
			forget(({ key }) => key.uid === uid)
			deny(uid)
		},
		denyIdentity(source) {
			forget(({ key }) => identityOf(key.source) === identityOf(source))
			deny(identityOf(source))
		},
		sweep,
		get size() {
			return kept.size
		},
		get bytes() {
			return sum()
		},
	}
}

/** Whatever vault it reads. */
const identityOf = ({ tenantId, clientId, audience, namespace, serviceAccount, serviceAccountUid }: Source) =>
	JSON.stringify([tenantId, clientId, audience, namespace, serviceAccount, serviceAccountUid])
