import type { Manifest, ManifestSecret, ManifestSelector, ManifestWanted } from './types.ts'

// Keys are sorted by code unit and written by hand: an object cannot hold its keys in that order when they look like integers.
function canonical(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
	if (typeof value !== 'object' || value === null) return JSON.stringify(value)
	const entries = Object.entries(value)
		.filter(([, item]) => item !== undefined)
		.sort(([a], [b]) => (a < b ? -1 : 1))
	return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}

function secretFields(secret: ManifestSecret) {
	const { objectName, vault, version, state, pinned, created, updated, notBefore, expires, contentType, form } = secret
	const previous = secret.previous.map((item) => ({ version: item.version, created: item.created }))
	const times = { created, updated, notBefore, expires }
	return { objectName, vault, version, state, pinned, ...times, contentType, form, tags: secret.tags, previous }
}

function wantedFields({ objectName, version, form }: ManifestWanted) {
	return { objectName, version, form }
}

function mapped<T, R>(entries: Readonly<Record<string, T>>, map: (item: T) => R): Record<string, R> {
	return Object.fromEntries(Object.entries(entries).map(([name, item]) => [name, map(item)]))
}

function selectorFields({ prefix, tags, stripPrefix, nameStyle, managed }: ManifestSelector) {
	return { prefix, tags, stripPrefix, nameStyle, managed }
}

/**
 * Writes the manifest canonically: keys sorted at every level, no white space, absent fields left out, nothing but the
 * fields of the schema. Equal manifests give equal bytes, so a comparison of bytes is a comparison of content.
 */
export function serializeManifest(m: Manifest): string {
	return canonical({
		schema: m.schema,
		revision: m.revision,
		binding: { namespace: m.binding.namespace, name: m.binding.name, uid: m.binding.uid },
		vault: m.vault,
		selectors: m.selectors.map(selectorFields),
		secrets: mapped(m.secrets, secretFields),
		// No names and no field are the same content, so that they are the same bytes.
		wanted: Object.keys(m.wanted ?? {}).length === 0 ? undefined : mapped(m.wanted ?? {}, wantedFields),
	})
}

/** True when two manifests say the same, whatever their revisions: then no new one is due. */
export function sameContent(a: Manifest, b: Manifest): boolean {
	return serializeManifest({ ...a, revision: 0 }) === serializeManifest({ ...b, revision: 0 })
}
