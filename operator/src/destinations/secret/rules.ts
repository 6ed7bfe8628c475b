import { MANIFEST_FILE, type Manifest, serializeManifest } from 'purista-azure-mounted-secret-store/manifest'
import { API_VERSION, KIND, MAX_SECRET_BYTES, OWNER_LABEL, SECRET_TYPES } from '../../api/constants.ts'
import type { SecretBinding } from '../../api/parse.ts'
import type { Content } from '../../engine/decode.ts'
import type { Change, DestinationRules, Verdict } from '../../engine/holding.ts'
import { deleteSecretLine } from '../../status/commands.ts'
import { listed, withLine } from '../../status/messages.ts'
import { type OwnerReference, type SeenSecret, seenSecretOf, textDigest } from './secret-object.ts'

/** What is to be done to the Secret. A `body` is made when it is asked for: values are encoded for a write alone. */
export type SecretWrite =
	| { kind: 'none' }
	| { kind: 'create'; body(): object; changed: string[] }
	/** a JSON merge patch; `changed` are names whose bytes come or go */
	| { kind: 'patch'; body(): { metadata: { resourceVersion: string } }; changed: string[]; dataChanged: boolean }
	/** by so much at least: when it is too much already, the rest is not read or not counted */
	| { kind: 'tooLarge'; bytes: number; largest: { name: string; bytes: number }[] }
	| { kind: 'typeDiffers'; type: string }
	| { kind: 'immutable' }
	| { kind: 'keyMissing'; keys: string[] }
	/** the API server would look into the value and refuse it */
	| { kind: 'valueInvalid'; key: string; rule: string }

/** Rules of Kubernetes Secrets for the Secret of a binding, and the write that each change is: planned once, and then done. */
export function secretRules(binding: SecretBinding): DestinationRules & { planned(change: Change): SecretWrite } {
	const known = new WeakMap<Change, SecretWrite>()
	const planned = (change: Change): SecretWrite => {
		const write = known.get(change) ?? planWrite(binding, change)
		known.set(change, write)
		return write
	}
	// They know nothing but the change and what is there.
	const judge = (change: Change): Verdict => {
		const verdict = verdictOf(binding, planned(change), change)
		return verdict.kind === 'refused' ? { ...verdict, lasting: true } : verdict
	}
	return { planned, name: binding.delivery.name, most: MAX_SECRET_BYTES, judge }
}

/**
 * Plans the one write that a change asks for.
 *
 * 1. The manifest is written when its text differs.
 * 2. Size, type, required keys and what the API server checks of values are checked for the whole; if they do not fit
 *    nothing is written.
 * 3. Only what differs is sent, with the resourceVersion that was seen: a lost race is a conflict, not an overwrite.
 */
export function planWrite(binding: SecretBinding, change: Change): SecretWrite {
	const { delivery } = binding
	const present = change.on && seenSecretOf(change.on)
	if (present && present.type !== delivery.secretType) return { kind: 'typeDiffers', type: present.type }

	// The very one that was read says what its text says.
	const isSame = present?.manifest !== undefined && change.manifest === present.manifest
	const least = delivery.manifest && !isSame ? tagBytes(change.manifest) : 0
	if (least > MAX_SECRET_BYTES)
		return { kind: 'tooLarge', bytes: least, largest: [{ name: MANIFEST_FILE, bytes: least }] }
	const text = delivery.manifest && !isSame ? serializeManifest(change.manifest) : undefined
	const isManifestNew = text !== undefined && (!present || textDigest(text) !== present.manifestDigest)
	const contents = new Map<string, Content>([...change.set, ...(isManifestNew ? [[MANIFEST_FILE, text] as const] : [])])
	const isManifestGone = !delivery.manifest && present?.keys.has(MANIFEST_FILE)
	const removed = [...change.drop, ...(isManifestGone ? [MANIFEST_FILE] : [])]

	const sizes = new Map([...(present?.keys ?? [])].map(([name, { bytes }]) => [name, bytes]))
	for (const [name, content] of contents) sizes.set(name, Buffer.byteLength(content))
	for (const name of removed) sizes.delete(name)
	const bytes = [...sizes.values()].reduce((sum, each) => sum + each, 0)
	if (bytes > MAX_SECRET_BYTES) return { kind: 'tooLarge', bytes, largest: largest(sizes) }
	const missing = missingKeys(delivery.secretType, (name) => sizes.has(name))
	if (missing.length > 0) return { kind: 'keyMissing', keys: missing }
	const invalid = invalidValue(delivery.secretType, change.set)
	if (invalid) return { kind: 'valueInvalid', ...invalid }

	const changed = [...contents.keys(), ...removed].filter((name) => name !== MANIFEST_FILE)
	if (!present) {
		if (!change.create) return { kind: 'none' }
		return { kind: 'create', body: () => createBody(binding, encoded(contents)), changed }
	}
	const metadata = metadataPatch(binding, present)
	const dataChanged = contents.size + removed.length > 0
	if (!dataChanged && metadata === undefined) return { kind: 'none' }
	if (present.immutable && dataChanged) return { kind: 'immutable' }
	const body = () => ({
		metadata: { ...metadata, resourceVersion: present.resourceVersion },
		...(dataChanged
			? { data: { ...encoded(contents), ...Object.fromEntries(removed.map((name) => [name, null])) } }
			: {}),
	})
	return { kind: 'patch', body, changed, dataChanged }
}

/** What is said of a write before it is done. */
function verdictOf({ namespace, delivery }: SecretBinding, write: SecretWrite, { drop }: Change): Verdict {
	const { name, secretType } = delivery
	switch (write.kind) {
		case 'none':
			return { kind: 'nothing' }
		case 'create':
			return { kind: 'fits', files: true }
		case 'patch':
			return { kind: 'fits', files: write.dataChanged }
		case 'tooLarge': {
			const which = write.largest.map((each) => `${each.name} (${each.bytes} bytes)`).join(', ')
			const message = `The Secret would have at least ${write.bytes} bytes; Kubernetes takes ${MAX_SECRET_BYTES}. The largest: ${which}. Spread them over several bindings.`
			return { kind: 'refused', reason: 'SecretTooLarge', message }
		}
		case 'typeDiffers': {
			const text = `The Secret ${name} exists with the type ${write.type}, and a type cannot be changed. Write type: ${write.type}, or delete the Secret; it is made anew:`
			return {
				kind: 'refused',
				reason: 'SecretTypeDiffers',
				message: withLine(text, deleteSecretLine(namespace, name)),
			}
		}
		case 'immutable': {
			const text = `The Secret ${name} is immutable, so it cannot follow the vault. Delete it; it is made anew:`
			return { kind: 'refused', reason: 'SecretImmutable', message: withLine(text, deleteSecretLine(namespace, name)) }
		}
		case 'keyMissing': {
			const kept = write.keys.filter((key) => drop.includes(key))
			const needs = `A Secret of type ${secretType} needs ${listed(write.keys)}`
			if (kept.length > 0) {
				const message = `${needs}, so ${listed(kept)} cannot be removed and stays as it was. Create it in the vault again, or write policy Keep.`
				return { kind: 'refused', reason: 'RequiredKeyMissing', message, files: kept }
			}
			const message = `${needs}, which could not be read from the vault. Nothing was written.`
			return { kind: 'refused', reason: 'RequiredKeyMissing', message, missing: write.keys }
		}
		case 'valueInvalid': {
			const message = `A Secret of type ${secretType} takes as ${write.key} only ${write.rule}, which the value in the vault is not. Store one.`
			return { kind: 'refused', reason: 'SecretWriteRefused', message, files: [write.key] }
		}
	}
}

const encoded = (contents: ReadonlyMap<string, Content>): Record<string, string> =>
	Object.fromEntries([...contents].map(([name, content]) => [name, encode(content)]))

/** base64 of what a key holds, as the API server keeps it. */
const encode = (content: Content): string =>
	(typeof content === 'string' ? Buffer.from(content, 'utf8') : Buffer.from(content)).toString('base64')

/** Keys into whose values the API server looks (ValidateSecret): of the other types it only asks that keys are there. */
export const CHECKED_KEYS: ReadonlySet<string> = new Set(['.dockerconfigjson', 'ssh-privatekey'])

function invalidValue(
	type: keyof typeof SECRET_TYPES,
	set: ReadonlyMap<string, Content>,
): { key: string; rule: string } | undefined {
	const docker = type === 'kubernetes.io/dockerconfigjson' ? set.get('.dockerconfigjson') : undefined
	if (docker !== undefined && !isJsonObject(docker)) return { key: '.dockerconfigjson', rule: 'a JSON object' }
	const ssh = type === 'kubernetes.io/ssh-auth' ? set.get('ssh-privatekey') : undefined
	return ssh !== undefined && ssh.length === 0 ? { key: 'ssh-privatekey', rule: 'a text that is not empty' } : undefined
}

function isJsonObject(content: Content): boolean {
	try {
		const value: unknown = JSON.parse(typeof content === 'string' ? content : Buffer.from(content).toString('utf8'))
		return typeof value === 'object' && value !== null && !Array.isArray(value)
	} catch {
		// The parser's message quotes the text.
		return false
	}
}

function createBody(binding: SecretBinding, data: Record<string, string>): object {
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
function metadataPatch(binding: SecretBinding, present: SeenSecret): object | undefined {
	const { delivery } = binding
	const labels = mapPatch({ ...delivery.labels, [OWNER_LABEL]: binding.name }, present.labels, present.ownLabels)
	const annotations = mapPatch(delivery.annotations, present.annotations, present.ownAnnotations)
	const owners = wantedOwners(binding, present.ownerReferences)
	const sameOwners = JSON.stringify(owners) === JSON.stringify(present.ownerReferences)
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
function wantedOwners(binding: SecretBinding, present: readonly OwnerReference[]): OwnerReference[] {
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

/** What a manifest has of tags, at least: a tenant may have 5 MB of them, which nobody writes out to see that they are too much. */
const tagBytes = ({ secrets }: Manifest): number => {
	let bytes = 0
	for (const { tags } of Object.values(secrets))
		for (const [key, value] of Object.entries(tags)) bytes += key.length + value.length
	return bytes
}

const LARGEST = 3

function largest(sizes: ReadonlyMap<string, number>) {
	const list = [...sizes].map(([name, bytes]) => ({ name, bytes }))
	return list.sort((a, b) => b.bytes - a.bytes).slice(0, LARGEST)
}
