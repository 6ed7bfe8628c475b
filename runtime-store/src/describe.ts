import type { SecretState } from './manifest/index.ts'
import type { Target } from './names.ts'
import type { VaultValue } from './vault/vault.ts'
import type { ViewEntry } from './view.ts'

/** What is known of a secret besides its value. Times are RFC 3339. */
export interface SecretDescription {
	/** Where the value that a read gives comes from: a mount, a write of this process that the mount does not show yet, or the vault. */
	readonly source: 'mount' | 'pending' | 'vault'
	/** Name in the vault. */
	readonly objectName: string
	/** URL of the vault, where the mount names it. */
	readonly vault?: string
	readonly version?: string
	/** What the mounted bytes are; see the manifest. */
	readonly state?: SecretState
	/** The binding names this version. */
	readonly pinned?: boolean
	readonly created?: string
	readonly updated?: string
	readonly notBefore?: string
	readonly expires?: string
	readonly contentType?: string
	readonly tags?: Readonly<Record<string, string>>
	/** Older versions that are mounted too, newest first: `getSecretVersion` has them. */
	readonly previous?: readonly string[]
}

type Drop<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The object without the fields that are undefined. */
function compact<T extends object>(value: T): Drop<T> {
	return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Drop<T>
}

export function describeEntry(entry: ViewEntry, target: Target): SecretDescription {
	const { objectName, vault } = target
	const pending = entry.text !== undefined && entry.mounted?.bytes !== entry.bytes
	if (pending) return { source: 'pending', objectName, ...compact({ vault, version: entry.version }) }
	const meta = entry.mounted?.meta
	if (meta === undefined) return { source: 'mount', objectName }
	const { version, state, pinned, created, updated, notBefore, expires, contentType, tags } = meta
	const previous = [...(entry.mounted?.previous.keys() ?? [])]
	return {
		source: 'mount',
		objectName,
		...compact({ vault, version, state, pinned, created, updated, notBefore, expires, contentType, tags, previous }),
	}
}

export function describeValue(found: VaultValue, target: Target): SecretDescription {
	const { version, contentType, tags } = found
	const [created, updated, notBefore, expires] = [found.created, found.updated, found.notBefore, found.expires].map(
		(time) => time?.toISOString().replace('.000Z', 'Z'),
	)
	return {
		source: 'vault',
		objectName: target.objectName,
		...compact({ version, created, updated, notBefore, expires, contentType, tags }),
	}
}
