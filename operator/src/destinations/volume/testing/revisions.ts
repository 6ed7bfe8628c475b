import { MANIFEST_FILE, type Manifest } from 'purista-azure-mounted-secret-store/manifest'

/** Of each revision some files are new and some stay: the number of a file says how often it changes. */
const KEYS = [1, 2, 3, 5, 7]

export const nameOf = (every: number): string => `key-${every}`
/** The revision in which a file last changed. */
export const versionAt = (every: number, revision: number): number => revision - (revision % every)
/** Long enough that half of it can be seen. */
const contentOf = (every: number, version: number) => `${every}:${version};`.repeat(4_000)

/** A change of a volume whose manifest says of each file what its bytes are. */
export function changeTo(revision: number): { set: Map<string, string>; manifest: Manifest } {
	const changed = KEYS.filter((every) => revision === 1 || revision % every === 0)
	const entry = (every: number): [string, Manifest['secrets'][string]] => [
		nameOf(every),
		{
			objectName: nameOf(every),
			version: String(versionAt(every, revision)).padStart(32, '0'),
			state: 'Current',
			pinned: false,
			created: '2026-01-01T00:00:00Z',
			updated: '2026-01-01T00:00:00Z',
			tags: {},
			previous: [],
		},
	]
	const manifest: Manifest = {
		schema: 1,
		revision,
		binding: { namespace: 'team', name: 'payments', uid: 'uid' },
		vault: 'https://payments.vault.azure.net',
		selectors: [],
		secrets: Object.fromEntries(KEYS.map(entry)),
	}
	return {
		set: new Map(changed.map((every) => [nameOf(every), contentOf(every, versionAt(every, revision))])),
		manifest,
	}
}

/** What is wrong with files that were read as one generation; undefined when they are all of one revision. */
export function tornIn(revision: number, read: (name: string) => string | undefined): string | undefined {
	for (const every of KEYS)
		if (read(nameOf(every)) !== contentOf(every, versionAt(every, revision)))
			return `${nameOf(every)} is not that of revision ${revision}`
	return undefined
}

export const ALL_NAMES: readonly string[] = [...KEYS.map(nameOf), MANIFEST_FILE]
