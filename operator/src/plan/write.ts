import {
	MANIFEST_FILE,
	MANIFEST_SCHEMA,
	type Manifest,
	type ManifestSecret,
	previousFileName,
	sameContent,
	serializeManifest,
} from 'purista-azure-mounted-secret-store/manifest'
import { API_VERSION, KIND, MAX_SECRET_BYTES, OWNER_LABEL, SECRET_TYPES } from '../api/constants.ts'
import type { Binding } from '../api/parse.ts'
import type { Content } from './decode.ts'
import { type Delivered, decodedLength, type OwnerReference } from './delivered.ts'
import type { EntryResult } from './found.ts'
import { manifestSelectors } from './select.ts'

/** What is to be done to the Secret. */
export type SecretWrite =
	| { kind: 'none' }
	| { kind: 'create'; body: object; changed: string[] }
	/** a JSON merge patch; `changed` are names whose bytes come or go */
	| { kind: 'patch'; body: { metadata: { resourceVersion: string } }; changed: string[]; dataChanged: boolean }
	| { kind: 'tooLarge'; bytes: number; largest: { name: string; bytes: number }[] }
	| { kind: 'typeDiffers'; type: string }
	| { kind: 'immutable' }
	| { kind: 'keyMissing'; keys: string[] }

export interface WriteInput {
	binding: Binding
	/** removals that the selectors of the spec asked for are held: the manifest goes on naming those of before */
	selectorsHeld?: boolean
	vaultUrl: string
	results: readonly EntryResult[]
	/** undefined: there is no Secret */
	delivered: Delivered | undefined
	/** manifest known from elsewhere (of a renamed Secret): its revision goes on */
	revision: number
}

/**
 * Plans the one write that brings the Secret from `delivered` to what `results` say.
 *
 * 1. The manifest: next revision only when its content changes.
 * 2. Keys: values of this look; names that were ours (manifest, field manager) and are wanted no more go away. Keys of
 *    others are not ours to touch.
 * 3. Size, type and required keys are checked for the whole; if they do not fit nothing is written.
 * 4. Only what differs is sent, with the resourceVersion that was seen: a lost race is a conflict, not an overwrite.
 */
export function planWrite(input: WriteInput, manifest: Manifest): SecretWrite {
	const { binding, results, delivered } = input
	const { delivery } = binding
	if (delivered && delivered.type !== delivery.secretType) return { kind: 'typeDiffers', type: delivered.type }

	const values = new Map<string, string>()
	for (const { wanted, value, previous } of results) {
		if (value !== undefined) values.set(wanted.name, encode(value))
		for (const [index, bytes] of previous) values.set(previousFileName(wanted.name, index + 1), bytes)
	}
	const kept = new Set(results.flatMap(({ wanted, delivered }) => (delivered === undefined ? [] : [wanted.name])))
	// What selectors brought stands in the manifest alone: when that was lost, no key is known to be wanted no more.
	const unknown = binding.select.length > 0 && delivered !== undefined && delivered.manifest === undefined
	const manifestText = delivery.manifest ? serializeManifest(manifest) : undefined
	if (manifestText !== undefined && manifestText !== delivered?.manifestText)
		values.set(MANIFEST_FILE, encode(manifestText))

	const mine = new Set(Object.entries(delivered?.manifest?.secrets ?? {}).flatMap(filesOf))
	for (const [name, { foreign }] of delivered?.keys ?? []) if (foreign === undefined) mine.add(name)
	const stays = new Set(results.flatMap((result) => (result.remove ? [] : filesThatStay(result, delivered))))
	const removed = [...(delivered?.keys.keys() ?? [])].filter((name) => {
		if (name === MANIFEST_FILE) return manifestText === undefined
		return mine.has(name) && !stays.has(name) && !unknown
	})

	const sizes = new Map([...(delivered?.keys ?? [])].map(([name, { bytes }]) => [name, bytes]))
	for (const [name, value] of values) sizes.set(name, decodedLength(value))
	for (const name of removed) sizes.delete(name)
	const bytes = [...sizes.values()].reduce((sum, each) => sum + each, 0)
	if (bytes > MAX_SECRET_BYTES) return { kind: 'tooLarge', bytes, largest: largest(sizes) }

	const missing = missingKeys(delivery.secretType, (name) => sizes.has(name))
	if (missing.length > 0) return { kind: 'keyMissing', keys: missing }

	const changed = [...values.keys(), ...removed].filter((name) => name !== MANIFEST_FILE)
	if (!delivered) {
		// Without a single value, pods would start with an empty directory instead of waiting; unless nothing more is to come.
		const empty = results.length === 0 || !results.every(({ wanted, state }) => wanted.optional && state === 'Absent')
		if (kept.size === 0 && empty) return { kind: 'none' }
		return { kind: 'create', body: createBody(binding, Object.fromEntries(values)), changed }
	}
	const data = Object.fromEntries([...values, ...removed.map((name) => [name, null] as const)])
	const metadata = metadataPatch(binding, delivered)
	const dataChanged = Object.keys(data).length > 0
	if (!dataChanged && metadata === undefined) return { kind: 'none' }
	if (delivered.immutable && dataChanged) return { kind: 'immutable' }
	const body = {
		metadata: { ...metadata, resourceVersion: delivered.resourceVersion },
		...(dataChanged ? { data } : {}),
	}
	return { kind: 'patch', body, changed, dataChanged }
}

/** The files of a secret: its own and those of its older versions. */
const filesOf = ([name, { previous }]: [string, Pick<ManifestSecret, 'previous'>]): string[] => [
	name,
	...previous.map((_, i) => previousFileName(name, i + 1)),
]

/** Files that a wanted secret has after the write. While it is pending, older bytes stay until there are new ones. */
function filesThatStay({ wanted, delivered: after }: EntryResult, delivered: Delivered | undefined): string[] {
	const secrets = delivered?.manifest?.secrets ?? {}
	const before = Object.hasOwn(secrets, wanted.name) ? secrets[wanted.name] : undefined
	return filesOf([wanted.name, after ?? before ?? { previous: [] }])
}

/** base64 of what a key holds, as the API server keeps it. */
export const encode = (content: Content): string =>
	(typeof content === 'string' ? Buffer.from(content, 'utf8') : Buffer.from(content)).toString('base64')

/** The manifest that describes `results`: the delivered one when it still does, otherwise the next revision. */
export function buildManifest(input: WriteInput): Manifest {
	const { binding, vaultUrl, results, delivered, revision, selectorsHeld = false } = input
	const secrets = Object.fromEntries(
		results.flatMap(({ wanted, delivered }): [string, ManifestSecret][] =>
			delivered === undefined ? [] : [[wanted.name, delivered]],
		),
	)
	const { namespace, name, uid } = binding
	const before = delivered?.manifest
	const last = Math.max(before?.revision ?? 0, revision)
	const next: Manifest = {
		schema: MANIFEST_SCHEMA,
		revision: last,
		binding: { namespace, name, uid },
		vault: vaultUrl,
		selectors: selectorsHeld && before ? before.selectors : manifestSelectors(binding.select),
		secrets,
	}
	return before && sameContent(before, next) ? before : { ...next, revision: last + 1 }
}

function createBody(binding: Binding, data: Record<string, string>): object {
	const { delivery, namespace } = binding
	const owners = wantedOwners(binding, [])
	return {
		apiVersion: 'v1',
		kind: 'Secret',
		metadata: {
			namespace,
			name: delivery.name,
			labels: { ...delivery.labels, [OWNER_LABEL]: binding.name },
			...(Object.keys(delivery.annotations).length > 0 ? { annotations: delivery.annotations } : {}),
			...(owners.length > 0 ? { ownerReferences: owners } : {}),
		},
		type: delivery.secretType,
		data,
	}
}

/** The metadata to change, or undefined when all is as wanted. */
function metadataPatch(binding: Binding, delivered: Delivered): object | undefined {
	const { delivery } = binding
	const labels = mapPatch({ ...delivery.labels, [OWNER_LABEL]: binding.name }, delivered.labels, delivered.ownLabels)
	const annotations = mapPatch(delivery.annotations, delivered.annotations, delivered.ownAnnotations)
	const owners = wantedOwners(binding, delivered.ownerReferences)
	const sameOwners = JSON.stringify(owners) === JSON.stringify(delivered.ownerReferences)
	if (!labels && !annotations && sameOwners) return undefined
	return {
		...(labels ? { labels } : {}),
		...(annotations ? { annotations } : {}),
		...(sameOwners ? {} : { ownerReferences: owners }),
	}
}

function mapPatch(
	wanted: Record<string, string>,
	present: Record<string, string>,
	own: readonly string[],
): Record<string, string | null> | undefined {
	const set = Object.entries(wanted).filter(([key, value]) => present[key] !== value)
	const drop = own.filter((key) => !Object.hasOwn(wanted, key) && Object.hasOwn(present, key))
	if (set.length === 0 && drop.length === 0) return undefined
	return { ...Object.fromEntries(set), ...Object.fromEntries(drop.map((key) => [key, null])) }
}

/** Owner references as they should be: those of others, and ours exactly when the Secret goes with the binding. */
function wantedOwners(binding: Binding, present: readonly OwnerReference[]): OwnerReference[] {
	const isOurs = ({ apiVersion, kind, name }: OwnerReference) =>
		apiVersion === API_VERSION && kind === KIND && name === binding.name
	const others = present.filter((owner) => !isOurs(owner))
	if (binding.delivery.onDelete !== 'Delete') return others
	const already = present.find((owner) => isOurs(owner) && owner.uid === binding.uid)
	if (already && present.filter(isOurs).length === 1) return [...present]
	// No controller and no blockOwnerDeletion: deleting a binding must never wait for us.
	return [...others, { apiVersion: API_VERSION, kind: KIND, name: binding.name, uid: binding.uid }]
}

/** Keys that the API server will miss in a Secret of this type. */
function missingKeys(type: keyof typeof SECRET_TYPES, has: (key: string) => boolean): string[] {
	const { all, any }: { all: readonly string[]; any: readonly string[] } = SECRET_TYPES[type]
	return [...all.filter((key) => !has(key)), ...(any.length > 0 && !any.some(has) ? any : [])]
}

const LARGEST = 3

function largest(sizes: ReadonlyMap<string, number>) {
	const list = [...sizes].map(([name, bytes]) => ({ name, bytes }))
	return list.sort((a, b) => b.bytes - a.bytes).slice(0, LARGEST)
}
