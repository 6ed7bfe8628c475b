import { isUtf8 } from 'node:buffer'
import {
	MANIFEST_FILE,
	type Manifest,
	type ManifestSecret,
	type ParsedManifest,
	parseManifest,
	previousFileName,
} from '../manifest/index.ts'
import type { FileFault, ReadFiles } from './read.ts'

/** Where the bytes of a file come from, or will come from. */
export interface SecretSource {
	readonly vault: string
	readonly objectName: string
	/** The bytes are a part or another form of the value. */
	readonly form: string | undefined
	/** Version that the binding wants; undefined for the current one, and for names that have a file. */
	readonly version: string | undefined
}

/** One mounted secret: the bytes of the file and, with a manifest, what is known of them. */
export interface MountedSecret {
	readonly name: string
	readonly bytes: Buffer
	/** The bytes as text; undefined when they are no UTF-8. */
	readonly text: string | undefined
	readonly meta: ManifestSecret | undefined
	/** Bytes of the kept older versions, by version, newest first. Without a manifest there are none. */
	readonly previous: ReadonlyMap<string, Buffer>
}

/** What describes the files: our manifest, or why there is none to go by. */
export type ManifestState = 'ok' | 'none' | 'unknownSchema' | 'invalid'

/**
 * How names lead to the vault: by the mount's own manifest, by the last one that could be read before it (`kept`; files that it did not
 * name lead nowhere), by the file names for want of any, or not at all (`unknown`: there is a manifest, and none was ever readable).
 */
export type ManifestMapping = 'own' | 'kept' | 'none' | 'unknown'

/** One immutable state of a mounted directory. */
export interface MountSnapshot {
	/** Name of the generation; for a plain directory a stamp of its files. */
	readonly id: string
	readonly kind: 'generation' | 'plain'
	/** A plain directory whose files are mounted one by one (`subPath`): they never change. */
	readonly subPath: boolean
	readonly manifestState: ManifestState
	/** Why the manifest cannot be used; names a field, never a content. */
	readonly manifestProblem: string | undefined
	readonly mapping: ManifestMapping
	/** The manifest that names are mapped by. */
	readonly manifest: Manifest | undefined
	readonly secrets: ReadonlyMap<string, MountedSecret>
	/** Where names lead, by file name: all names that the binding wants. Without a manifest there are none. */
	readonly sources: ReadonlyMap<string, SecretSource>
	/** File by the vault name in lower case; undefined when several files are that secret. Files in another form are not. */
	readonly fileOfObject: ReadonlyMap<string, string | undefined>
	/** Files that could not be read, by name. */
	readonly faults: ReadonlyMap<string, FileFault>
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const OLDER = /^(.+)\.previous(?:-\d+)?$/

/** Text of bytes that are UTF-8, a byte order mark included; undefined for others, which no text could give back. */
export function textOf(bytes: Buffer): string | undefined {
	return isUtf8(bytes) ? decoder.decode(bytes) : undefined
}

/** The manifest among files; undefined when there is none. */
export function manifestOf({ files, faults }: ReadFiles): ParsedManifest | undefined {
	const file = files.get(MANIFEST_FILE)
	if (file !== undefined) return parseManifest(file.toString('utf8'))
	const fault = faults.get(MANIFEST_FILE)
	return fault === undefined ? undefined : { kind: 'invalid', problem: `it cannot be read (${fault})` }
}

function problemOf(parsed: ParsedManifest | undefined, before: MountSnapshot | undefined): string | undefined {
	if (parsed?.kind === 'invalid') return parsed.problem
	if (parsed?.kind === 'unknownSchema') return 'its schema is not 1'
	// Without it file names would be taken for vault names, from one moment to the next.
	return parsed === undefined && before?.manifest !== undefined ? 'it is not there any more' : undefined
}

/** Where the names of a manifest lead: what is wanted wins over what is there, because that is where a write belongs. */
function sourcesOf(manifest: Manifest | undefined): Map<string, SecretSource> {
	const sources = new Map<string, SecretSource>()
	if (manifest === undefined) return sources
	const { vault } = manifest
	for (const [name, { objectName, form }] of Object.entries(manifest.secrets))
		sources.set(name, { vault, objectName, form, version: undefined })
	for (const [name, { objectName, form, version }] of Object.entries(manifest.wanted ?? {}))
		sources.set(name, { vault, objectName, form, version })
	return sources
}

function fileOfObject(sources: ReadonlyMap<string, SecretSource>): Map<string, string | undefined> {
	const found = new Map<string, string | undefined>()
	for (const [name, source] of sources) {
		// A part of a value is not what its vault name means.
		if (source.form !== undefined) continue
		const objectName = source.objectName.toLowerCase()
		found.set(objectName, found.has(objectName) ? undefined : name)
	}
	return found
}

/** The bytes of a file, or those of before when it cannot be read any more. */
function bytesOf(name: string, read: ReadFiles, before: MountSnapshot | undefined): Buffer | undefined {
	const bytes = read.files.get(name)
	if (bytes !== undefined || !read.faults.has(name)) return bytes
	const last = before?.secrets.get(name)?.bytes
	return last === undefined ? undefined : Buffer.from(last)
}

/**
 * Makes a snapshot of the files of one read.
 *
 * 1. A manifest that cannot be used, or is gone, leaves the mapping of the last one that could be: names do not change what they mean because
 *    of it. What such a manifest says of a version holds as long as the bytes are those of before.
 * 2. A file that cannot be read keeps its last bytes.
 *
 * @param parsed what {@link manifestOf} gave
 * @param before the snapshot of the same directory that this one follows
 * @param trim cuts white space around the texts of a plain directory
 */
export function snapshotOf(
	read: ReadFiles,
	parsed: ParsedManifest | undefined,
	before?: MountSnapshot,
	trim = false,
): MountSnapshot {
	const text = (bytes: Buffer) => (trim && read.kind === 'plain' ? textOf(bytes)?.trim() : textOf(bytes))
	const { kind, id, files, faults, subPath } = read
	const own = parsed?.kind === 'ok' ? parsed.manifest : undefined
	const manifestProblem = problemOf(parsed, before)
	const kept = manifestProblem === undefined ? undefined : before?.manifest
	const manifest = own ?? kept
	const mapping = own ? 'own' : kept ? 'kept' : manifestProblem === undefined ? 'none' : 'unknown'

	const secrets = new Map<string, MountedSecret>()
	const older = new Set<string>()
	for (const [name, described] of Object.entries(manifest?.secrets ?? {})) {
		const bytes = bytesOf(name, read, before)
		if (bytes === undefined) continue
		const meta = own !== undefined || before?.secrets.get(name)?.bytes.equals(bytes) ? described : undefined
		const previous = new Map<string, Buffer>()
		for (const [i, item] of (meta?.previous ?? []).entries()) {
			const file = previousFileName(name, i + 1)
			const content = files.get(file)
			older.add(file)
			if (content !== undefined) previous.set(item.version, content)
		}
		secrets.set(name, { name, bytes, text: text(bytes), meta, previous })
	}
	for (const name of [...files.keys(), ...faults.keys()]) {
		if (name === MANIFEST_FILE || secrets.has(name) || older.has(name)) continue
		const first = OLDER.exec(name)?.[1]
		if (kept !== undefined && first !== undefined && secrets.has(first)) continue
		const bytes = bytesOf(name, read, before)
		if (bytes !== undefined) secrets.set(name, { name, bytes, text: text(bytes), meta: undefined, previous: new Map() })
	}
	const sources = sourcesOf(manifest)
	return {
		id,
		kind,
		subPath,
		manifestState: parsed === undefined ? 'none' : parsed.kind,
		manifestProblem,
		mapping,
		manifest,
		secrets,
		sources,
		fileOfObject: fileOfObject(sources),
		faults,
	}
}

/** Overwrites the bytes of a snapshot that nobody reads any more. Texts go with the garbage collection. */
export function wipe(snapshot: MountSnapshot): void {
	for (const secret of snapshot.secrets.values()) {
		secret.bytes.fill(0)
		for (const bytes of secret.previous.values()) bytes.fill(0)
	}
}
