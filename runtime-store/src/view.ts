import type { SecretChange } from './changes.ts'
import type { MountedSecret, MountSnapshot } from './mount/snapshot.ts'

/** What this process wrote or removed and the mount does not show yet. */
export interface PendingWrite {
	/** undefined: removed */
	readonly value: string | undefined
	readonly version: string | undefined
}

/** What a read of one name gives. */
export interface ViewEntry {
	readonly bytes: Buffer
	readonly text: string | undefined
	readonly version: string | undefined
	readonly mounted: MountedSecret | undefined
}

/**
 * All that reads are answered from: one immutable value that is replaced as a whole, so that the names of one call are
 * always of one moment.
 */
export interface View {
	/** Texts by every name they can be asked by, but "__proto__", which cannot simply be assigned to an answer. */
	readonly texts: ReadonlyMap<string, string>
	/** By file name and alias: what a change is told of. */
	readonly entries: ReadonlyMap<string, ViewEntry>
	/** Names that this process removed. */
	readonly removed: ReadonlySet<string>
}

export const EMPTY_VIEW: View = { texts: new Map(), entries: new Map(), removed: new Set() }

/**
 * Builds the view.
 *
 * 1. The first mount that has a name wins.
 * 2. Pending writes lie over it, pending removals hide it.
 * 3. Aliases are names of their own.
 * 4. A vault name leads to the file of that secret if no file has that name and only one file is of that secret.
 */
export function buildView(
	mounts: readonly (MountSnapshot | undefined)[],
	pending: ReadonlyMap<string, PendingWrite>,
	aliases: ReadonlyMap<string, string>,
): View {
	const entries = new Map<string, ViewEntry>()
	for (const mount of mounts) {
		for (const [name, mounted] of mount?.secrets ?? []) {
			if (entries.has(name)) continue
			entries.set(name, { bytes: mounted.bytes, text: mounted.text, version: mounted.meta?.version, mounted })
		}
	}

	const removed = new Set<string>()
	const files = new Map<string, string[]>()
	for (const [name, { mounted }] of entries) {
		const { objectName, form } = mounted?.meta ?? {}
		if (objectName !== undefined && form === undefined) files.set(objectName, [...(files.get(objectName) ?? []), name])
	}
	for (const [name, write] of pending) {
		if (write.value === undefined) {
			removed.add(name)
			entries.delete(name)
			continue
		}
		const mounted = entries.get(name)?.mounted
		entries.set(name, { bytes: Buffer.from(write.value), text: write.value, version: write.version, mounted })
	}

	for (const [alias, name] of aliases) {
		const entry = entries.get(name)
		if (entry !== undefined) entries.set(alias, entry)
		if (removed.has(name)) removed.add(alias)
	}

	const texts = new Map<string, string>()
	for (const [name, { text }] of entries) if (text !== undefined) texts.set(name, text)
	for (const [objectName, names] of files) {
		const name = names.length === 1 ? names[0] : undefined
		if (name === undefined || entries.has(objectName) || removed.has(objectName)) continue
		const text = entries.get(name)?.text
		if (text !== undefined) texts.set(objectName, text)
		if (removed.has(name)) removed.add(objectName)
	}
	texts.delete('__proto__')
	return { texts, entries, removed }
}

/** Names that differ. A new version counts even with the same bytes, other bytes count even without a version; nothing else does. */
export function changesBetween(before: View, after: View): SecretChange[] {
	const changes: SecretChange[] = []
	for (const [name, entry] of after.entries) {
		const old = before.entries.get(name)
		if (old === undefined) changes.push({ name, kind: 'added', version: entry.version, previousVersion: undefined })
		else if (old.version !== entry.version || !old.bytes.equals(entry.bytes))
			changes.push({ name, kind: 'changed', version: entry.version, previousVersion: old.version })
	}
	for (const [name, old] of before.entries) {
		if (!after.entries.has(name))
			changes.push({ name, kind: 'removed', version: undefined, previousVersion: old.version })
	}
	return changes
}
