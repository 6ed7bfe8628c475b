import { isUtf8 } from 'node:buffer'
import {
	MANIFEST_FILE,
	type Manifest,
	type ManifestSecret,
	parseManifest,
	previousFileName,
} from '../manifest/index.ts'

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

/** One immutable state of a mounted directory. */
export interface MountSnapshot {
	/** Name of the generation; for a plain directory a stamp of its files. */
	readonly id: string
	readonly kind: 'generation' | 'plain'
	readonly manifestState: ManifestState
	readonly manifest: Manifest | undefined
	readonly secrets: ReadonlyMap<string, MountedSecret>
	/** File by the vault name in lower case; undefined when several files are that secret. Files in another form are not. */
	readonly fileOfObject: ReadonlyMap<string, string | undefined>
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Text of bytes that are UTF-8, a byte order mark included; undefined for others, which no text could give back. */
export function textOf(bytes: Buffer): string | undefined {
	return isUtf8(bytes) ? decoder.decode(bytes) : undefined
}

/** Makes a snapshot of the files of one read. */
export function snapshotOf(read: {
	kind: 'generation' | 'plain'
	id: string
	files: Map<string, Buffer>
}): MountSnapshot {
	const { kind, id, files } = read
	const manifestFile = files.get(MANIFEST_FILE)
	const parsed = manifestFile === undefined ? undefined : parseManifest(manifestFile.toString('utf8'))
	const manifest = parsed?.kind === 'ok' ? parsed.manifest : undefined
	const manifestState = parsed === undefined ? 'none' : parsed.kind

	const secrets = new Map<string, MountedSecret>()
	const older = new Set<string>()
	for (const [name, meta] of Object.entries(manifest?.secrets ?? {})) {
		const bytes = files.get(name)
		if (bytes === undefined) continue
		const previous = new Map<string, Buffer>()
		meta.previous.forEach((item, i) => {
			const file = previousFileName(name, i + 1)
			const content = files.get(file)
			older.add(file)
			if (content !== undefined) previous.set(item.version, content)
		})
		secrets.set(name, { name, bytes, text: textOf(bytes), meta, previous })
	}
	for (const [name, bytes] of files) {
		if (name === MANIFEST_FILE || secrets.has(name) || older.has(name)) continue
		secrets.set(name, { name, bytes, text: textOf(bytes), meta: undefined, previous: new Map() })
	}
	const fileOfObject = new Map<string, string | undefined>()
	for (const { name, meta } of secrets.values()) {
		// A part of a value is not what its vault name means.
		if (meta === undefined || meta.form !== undefined) continue
		const objectName = meta.objectName.toLowerCase()
		fileOfObject.set(objectName, fileOfObject.has(objectName) ? undefined : name)
	}
	return { id, kind, manifestState, manifest, secrets, fileOfObject }
}

/** Overwrites the bytes of a snapshot that nobody reads any more. Texts go with the garbage collection. */
export function wipe(snapshot: MountSnapshot): void {
	for (const secret of snapshot.secrets.values()) {
		secret.bytes.fill(0)
		for (const bytes of secret.previous.values()) bytes.fill(0)
	}
}
