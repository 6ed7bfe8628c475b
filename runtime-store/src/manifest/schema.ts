/** Name of the manifest in a mounted directory. It begins with a dot, so `ls` and naive readers pass over it. */
export const MANIFEST_FILE = '.binding.json'

/** The schema this code reads and writes. Additions do not change it; a reader that meets another one reads the plain files. */
export const MANIFEST_SCHEMA = 1

/**
 * What the mounted bytes of a secret are. Transient faults (vault away, access denied) never appear here: then the files simply stay.
 *
 * - `Current`: the current version, or the pinned one when `pinned` is true
 * - `Absent`: the vault has no such secret any more; the last bytes are kept by policy
 * - `Disabled`: the version is disabled, not yet valid or expired; its bytes are kept by policy
 * - `Deselected`: no selector matches it any more; its bytes are kept by policy
 * - `Previous`: an older version stands in for a current one that cannot be used
 */
export type SecretState = 'Current' | 'Absent' | 'Disabled' | 'Deselected' | 'Previous'

/** All states, in the order of the documentation. */
export const SECRET_STATES: readonly SecretState[] = ['Current', 'Absent', 'Disabled', 'Deselected', 'Previous']

/** One older version that is mounted beside the current one, as `<name>.previous`, `<name>.previous-2`, … */
export interface ManifestPrevious {
	version: string
	/** RFC 3339 UTC, whole seconds. */
	created?: string
}

/** What is known of one mounted secret. Times are RFC 3339 UTC in whole seconds, as Key Vault keeps them. */
export interface ManifestSecret {
	/** Name of the secret in the vault. */
	objectName: string
	/**
	 * Vault that the mounted bytes are of, where it is not the manifest's: the binding has moved to another vault and this secret was not
	 * read there yet. URL without a trailing slash.
	 */
	vault?: string
	/** Key Vault version id of the mounted bytes. */
	version: string
	state: SecretState
	/** The binding names this version; a newer one in the vault is not wanted. */
	pinned: boolean
	/** A selector brought it, and no entry of the spec names it: it leaves when the selectors do not want it any more. Absent: an entry did. */
	selected?: boolean
	created?: string
	updated?: string
	notBefore?: string
	expires?: string
	contentType?: string
	/**
	 * How the bytes were made of the vault's value: `property=…`, `decode=…`, both, or `certificate=…`. Absent: they are the value.
	 * Two files of one version and different forms hold different bytes.
	 */
	form?: string
	/** Only the tags that the binding names. */
	tags: Record<string, string>
	/** Newest first; entry `i` is the file `previousFileName(name, i + 1)`. */
	previous: ManifestPrevious[]
}

/**
 * Where the binding wants a file to come from that does not come from there: there is no file of this name, or it still is of another
 * object or form. The vault is that of the manifest.
 */
export interface ManifestWanted {
	/** Name of the secret in the vault. */
	objectName: string
	/** Version that the binding pins. Absent: the current one. */
	version?: string
	/** How the bytes will be made of the vault's value, as in {@link ManifestSecret}. */
	form?: string
}

/** A selector of the binding: it lets a reader tell which vault names the mount covers, also those that do not exist yet. */
export interface ManifestSelector {
	/** Compared without regard to case, as vault names are. */
	prefix?: string
	tags?: Record<string, string>
	stripPrefix: boolean
	nameStyle: 'AsIs' | 'UpperSnake'
	managed: boolean
}

/** Content of `.binding.json`: what the mounted files are. It holds no values. */
export interface Manifest {
	schema: typeof MANIFEST_SCHEMA
	/** Goes up by one with each change; a reader of the same `binding.uid` ignores a lower one. */
	revision: number
	binding: { namespace: string; name: string; uid: string }
	/** URL of the vault that the binding names, without a trailing slash. */
	vault: string
	selectors: ManifestSelector[]
	/** What the files are, by file name: every entry has a file. */
	secrets: Record<string, ManifestSecret>
	/**
	 * Names that the binding wants besides, by file name. An entry says where a name leads, also when `secrets` has one of that name.
	 * Together with `secrets` and `selectors` these are all names of the mount, so that no reader needs to guess where a name leads.
	 * Absent when there are none; writers before this field list none.
	 */
	wanted?: Record<string, ManifestWanted>
}
