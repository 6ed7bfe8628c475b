import { createHash } from 'node:crypto'
import { MANIFEST_FILE, type Manifest, parseManifest } from 'purista-azure-mounted-secret-store/manifest'
import { FIELD_MANAGER, OWNER_LABEL } from '../../api/constants.ts'
import { parseTime } from '../../api/time.ts'
import type { Holding } from '../../engine/holding.ts'

/** The parts of a Secret that we look at, as the API server answers it. */
export interface SecretObject {
	metadata: {
		name: string
		uid: string
		resourceVersion: string
		labels?: Record<string, string>
		annotations?: Record<string, string>
		ownerReferences?: OwnerReference[]
		managedFields?: ManagedFields[]
	}
	type?: string
	immutable?: boolean
	/** base64 */
	data?: Record<string, string>
}

export interface OwnerReference {
	apiVersion: string
	kind: string
	name: string
	uid: string
	controller?: boolean
	blockOwnerDeletion?: boolean
}

interface ManagedFields {
	manager?: string
	time?: string
	subresource?: string
	fieldsV1?: Record<string, unknown>
}

/** What is known of one key of our Secret. */
interface Key {
	/** length of the value in bytes */
	bytes: number
	/** undefined when our field manager holds it; otherwise who does and since when */
	foreign: string | undefined
}

/** Our Secret as it was last seen, without any value. */
export interface SeenSecret {
	name: string
	uid: string
	resourceVersion: string
	type: string
	immutable: boolean
	labels: Record<string, string>
	annotations: Record<string, string>
	ownerReferences: OwnerReference[]
	keys: Map<string, Key>
	/** labels and annotations that our field manager holds */
	ownLabels: string[]
	ownAnnotations: string[]
	/** undefined: none, or not readable */
	manifest: Manifest | undefined
	/** of the text of the manifest as stored, to see whether it must be written */
	manifestDigest: string | undefined
	/** when our field manager last wrote, milliseconds since the epoch; undefined when it never did */
	writtenAt: number | undefined
}

/** The binding that a Secret says it belongs to. */
export const ownerOf = ({ metadata }: SecretObject): string | undefined => metadata.labels?.[OWNER_LABEL]

/** The controller of a Secret, if it has one: somebody who would take a change of ours back. */
export const controllerOf = ({ metadata }: SecretObject): OwnerReference | undefined =>
	metadata.ownerReferences?.find(({ controller }) => controller === true)

/** In place of a text that is only compared: a manifest has 250 bytes for each secret. */
export const textDigest = (text: string): string => createHash('sha256').update(text).digest('base64')

/** Reads a Secret that is ours: keys, sizes, who holds which field, manifest. */
export function describeSecret(secret: SecretObject): SeenSecret {
	const { metadata, data = {} } = secret
	const fields = metadata.managedFields ?? []
	const ours = fields.filter(({ manager }) => manager === FIELD_MANAGER)
	const manifestText = MANIFEST_FILE in data ? decodeText(data[MANIFEST_FILE] ?? '') : undefined
	const parsed = manifestText === undefined ? undefined : parseManifest(manifestText)
	const foreign = holders(fields)
	const times = ours.flatMap(({ time }) => parseTime(time) ?? [])
	return {
		name: metadata.name,
		uid: metadata.uid,
		resourceVersion: metadata.resourceVersion,
		type: secret.type ?? 'Opaque',
		immutable: secret.immutable === true,
		labels: metadata.labels ?? {},
		annotations: metadata.annotations ?? {},
		ownerReferences: metadata.ownerReferences ?? [],
		keys: new Map(
			Object.entries(data).map(([key, value]) => [
				key,
				{ bytes: decodedLength(value), foreign: foreign.has(key) ? foreign.get(key) : 'nobody' },
			]),
		),
		ownLabels: namesIn(ours, 'f:metadata', 'f:labels'),
		ownAnnotations: namesIn(ours, 'f:metadata', 'f:annotations'),
		manifest: parsed?.kind === 'ok' ? parsed.manifest : undefined,
		manifestDigest: manifestText === undefined ? undefined : textDigest(manifestText),
		writtenAt: times.length > 0 ? Math.max(...times) : undefined,
	}
}

/**
 * Who holds each key instead of us; undefined: we do. A change by somebody else moves the key out of our managed fields into
 * theirs.
 */
function holders(fields: readonly ManagedFields[]): Map<string, string | undefined> {
	const holders = new Map<string, string | undefined>()
	for (const at of fields) {
		const isOurs = at.manager === FIELD_MANAGER
		for (const key of namesIn([at], 'f:data')) {
			if (isOurs || !holders.has(key) || holders.get(key) !== undefined)
				holders.set(key, isOurs ? undefined : `${at.manager ?? ''}@${at.time ?? ''}`)
		}
	}
	return holders
}

/** Names under a path of managed fields: `f:name` each, and `.` for the map itself. */
function namesIn(fields: readonly ManagedFields[], ...path: string[]): string[] {
	return fields.flatMap(({ fieldsV1 }) => {
		let at: unknown = fieldsV1
		for (const step of path) at = isRecord(at) && Object.hasOwn(at, step) ? at[step] : undefined
		return isRecord(at) ? Object.keys(at).flatMap((key) => (key.startsWith('f:') ? [key.slice(2)] : [])) : []
	})
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** Bytes that a base64 text stands for. */
export function decodedLength(base64: string): number {
	const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0
	return (base64.length / 4) * 3 - padding
}

const decodeText = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8')

/** Our Secret as the engine sees it: a key is a file. */
export function holdingOf(secret: SecretObject): Holding {
	const present = describeSecret(secret)
	const { keys, manifest, uid } = present
	return {
		id: uid,
		files: keys,
		// Edited by somebody it tells what they want it to tell.
		manifest: keys.get(MANIFEST_FILE)?.foreign === undefined ? manifest : undefined,
		revision: manifest?.revision ?? 0,
		content: (name) => {
			const { data = {} } = secret
			return Object.hasOwn(data, name) ? Buffer.from(data[name] ?? '', 'base64') : undefined
		},
		token: present,
	}
}

/** What `holdingOf` put into a holding for us. */
export function seenSecretOf(holding: Holding): SeenSecret {
	// Tokens are opaque to everybody else: each destination gets back only its own.
	return holding.token as SeenSecret
}

/** Bytes of all values of a Secret together. */
export const bytesOf = ({ files }: Pick<Holding, 'files'>): number =>
	[...files.values()].reduce((sum, { bytes }) => sum + bytes, 0)
