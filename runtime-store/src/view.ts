import type { SecretChange } from './changes.ts'
import type { MountedSecret, MountSnapshot, SecretSource } from './mount/snapshot.ts'

/** What this process wrote or removed and the mount does not show yet. */
export interface PendingWrite {
	/** undefined: removed */
	readonly value: string | undefined
	readonly version: string | undefined
	/** No mount covers the name. */
	readonly beyond: boolean
}

/** What a read of one name gives. */
export interface ViewEntry {
	readonly bytes: Buffer
	readonly text: string | undefined
	readonly version: string | undefined
	readonly mounted: MountedSecret | undefined
	/** Number of the mount that it is of; -1 for one that no mount covers. */
	readonly rank: number
}

/**
 * All that reads are answered from: one immutable value that is replaced as a whole, so that the names of one call are
 * always of one moment.
 */
export interface View {
	/** Texts by every name they can be asked by, but "__proto__", which cannot simply be assigned to an answer. */
	readonly texts: ReadonlyMap<string, string>
	/** By file name, alias and vault name: what a change is told of. */
	readonly entries: ReadonlyMap<string, ViewEntry>
	/** Names that this process removed. */
	readonly removed: ReadonlySet<string>
}

export const EMPTY_VIEW: View = { texts: new Map(), entries: new Map(), removed: new Set() }

/** A name of a mount: what it shows of it, and where the name leads. */
interface Claim {
	readonly rank: number
	readonly mounted: MountedSecret | undefined
	readonly source: SecretSource | undefined
}

/** The names of all mounts; the first mount that has or wants a name wins. */
function claimsOf(mounts: readonly (MountSnapshot | undefined)[]): Map<string, Claim> {
	const claims = new Map<string, Claim>()
	for (const [rank, mount] of mounts.entries()) {
		if (mount === undefined) continue
		const { secrets, sources, faults } = mount
		for (const names of [secrets, sources, faults])
			for (const name of names.keys())
				if (!claims.has(name)) claims.set(name, { rank, mounted: secrets.get(name), source: sources.get(name) })
	}
	return claims
}

/**
 * Builds the view.
 *
 * 1. The first mount that has a name, or wants it, wins.
 * 2. Pending writes lie over it, pending removals hide it.
 * 3. Aliases are names of their own, before all others.
 * 4. A vault name leads to the file of that secret if no file has that name and only one file is of that secret.
 */
export function buildView(
	mounts: readonly (MountSnapshot | undefined)[],
	pending: ReadonlyMap<string, PendingWrite>,
	aliases: ReadonlyMap<string, string>,
): View {
	const claims = claimsOf(mounts)
	const entries = new Map<string, ViewEntry>()
	const files = new Map<string, string[]>()
	for (const [name, { rank, mounted, source }] of claims) {
		if (mounted !== undefined) {
			const { bytes, text, meta } = mounted
			entries.set(name, { bytes, text, version: meta?.version, mounted, rank })
		}
		if (source !== undefined && source.form === undefined) {
			const names = files.get(source.objectName)
			if (names === undefined) files.set(source.objectName, [name])
			else names.push(name)
		}
	}

	const removed = new Set<string>()
	for (const [name, write] of pending) {
		if (write.value === undefined) {
			removed.add(name)
			entries.delete(name)
			continue
		}
		const mounted = entries.get(name)?.mounted
		const { value: text, version } = write
		entries.set(name, { bytes: Buffer.from(text), text, version, mounted, rank: claims.get(name)?.rank ?? -1 })
	}

	const also = (other: string, name: string) => {
		const entry = entries.get(name)
		if (entry !== undefined) entries.set(other, entry)
		if (removed.has(name)) removed.add(other)
	}
	for (const [objectName, names] of files) {
		const name = names.length === 1 ? names[0] : undefined
		if (name !== undefined && !claims.has(objectName) && !entries.has(objectName)) also(objectName, name)
	}
	// An alias hides a file or a vault name that is written like it, as it does for writes, and leads to no other alias.
	const direct = new Map([...aliases.values()].map((name) => [name, [entries.get(name), removed.has(name)] as const]))
	for (const [alias, name] of aliases) {
		const [entry, isRemoved] = direct.get(name) ?? []
		if (entry === undefined) entries.delete(alias)
		else entries.set(alias, entry)
		if (isRemoved) removed.add(alias)
		else removed.delete(alias)
	}

	const texts = new Map<string, string>()
	for (const [name, { text }] of entries) if (text !== undefined) texts.set(name, text)
	texts.delete('__proto__')
	return { texts, entries, removed }
}

/**
 * Names of the mounts that differ. A new version counts even with the same bytes, other bytes count even without a version; nothing else
 * does. Names that no mount covers are not told of here: that a write of theirs is not pending any more says nothing of their value.
 *
 * @param firstLoads numbers of the mounts that were not loaded before: that they have their names is no change
 */
export function changesBetween(before: View, after: View, firstLoads: ReadonlySet<number> = new Set()): SecretChange[] {
	const changes: SecretChange[] = []
	for (const [name, entry] of after.entries) {
		if (entry.rank < 0 || firstLoads.has(entry.rank)) continue
		const old = before.entries.get(name)
		if (old === entry) continue
		if (old === undefined || old.rank < 0)
			changes.push({ name, kind: 'added', version: entry.version, previousVersion: undefined })
		else if (old.version !== entry.version || !old.bytes.equals(entry.bytes))
			changes.push({ name, kind: 'changed', version: entry.version, previousVersion: old.version })
	}
	for (const [name, old] of before.entries) {
		if (old.rank >= 0 && !after.entries.has(name))
			changes.push({ name, kind: 'removed', version: undefined, previousVersion: old.version })
	}
	return changes
}
