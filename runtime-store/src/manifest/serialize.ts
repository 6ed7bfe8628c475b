import type { Manifest, ManifestSecret, ManifestSelector, ManifestWanted } from './schema.ts'

// Keys are sorted by code unit and written by hand: an object cannot hold its keys in that order when they look like integers.
function canonical(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
	if (typeof value !== 'object' || value === null) return JSON.stringify(value)
	const entries = Object.entries(value)
		.filter(([, item]) => item !== undefined)
		.sort(([a], [b]) => (a < b ? -1 : 1))
	return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}

// The fields in the order of their names, by hand: a manifest may have 500 secrets, and is compared at every poll.
function secretText(secret: ManifestSecret): string {
	const { objectName, vault, version, state, pinned, selected, created, updated, notBefore, expires } = secret
	const { contentType, form, tags, previous } = secret
	const older = previous.map((each) => `{${field('created', each.created)}${last('version', each.version)}}`)
	return `{${field('contentType', contentType)}${field('created', created)}${field('expires', expires)}${field('form', form)}${field(
		'notBefore',
		notBefore,
	)}${field('objectName', objectName)}"pinned":${pinned},"previous":[${older.join(',')}],${selected ? '"selected":true,' : ''}${field(
		'state',
		state,
	)}"tags":${canonical(tags)},${field('updated', updated)}${field('vault', vault)}${last('version', version)}}`
}

const last = (key: string, value: string) => `"${key}":${JSON.stringify(value)}`
const field = (key: string, value: string | undefined) => (value === undefined ? '' : `${last(key, value)},`)

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
	const secrets = Object.keys(m.secrets)
		.sort()
		.map((name) => `${JSON.stringify(name)}:${secretText(m.secrets[name] as ManifestSecret)}`)
	const { wanted = {} } = m
	return [
		`{"binding":${canonical({ namespace: m.binding.namespace, name: m.binding.name, uid: m.binding.uid })}`,
		`"revision":${JSON.stringify(m.revision)}`,
		`"schema":${JSON.stringify(m.schema)}`,
		`"secrets":{${secrets.join(',')}}`,
		`"selectors":${canonical(m.selectors.map(selectorFields))}`,
		`"vault":${JSON.stringify(m.vault)}`,
		// No names and no field are the same content, so that they are the same bytes.
		...(Object.keys(wanted).length === 0 ? [] : [`"wanted":${canonical(mapped(wanted, wantedFields))}`]),
	]
		.join(',')
		.concat('}')
}

/** True when two manifests say the same, whatever their revisions: then no new one is due. */
export function sameContent(a: Manifest, b: Manifest): boolean {
	if (a === b) return true
	// By their fields and not by their texts: most polls ask it and find no change.
	return (
		a.schema === b.schema &&
		a.vault === b.vault &&
		a.binding.namespace === b.binding.namespace &&
		a.binding.name === b.binding.name &&
		a.binding.uid === b.binding.uid &&
		sameEntries(a.secrets, b.secrets, sameSecret) &&
		sameList(a.selectors, b.selectors, sameSelector) &&
		// No names and no field are the same content.
		sameEntries(a.wanted ?? {}, b.wanted ?? {}, sameWanted)
	)
}

type Same<T> = (a: T, b: T) => boolean

function sameEntries<T>(a: Readonly<Record<string, T>>, b: Readonly<Record<string, T>>, same: Same<T>): boolean {
	const names = Object.keys(a)
	return (
		names.length === Object.keys(b).length &&
		names.every((name) => {
			const [one, other] = [a[name] as T, b[name] as T]
			return Object.hasOwn(b, name) && (one === other || same(one, other))
		})
	)
}

const sameList = <T>(a: readonly T[], b: readonly T[], same: Same<T>): boolean =>
	a.length === b.length && a.every((one, i) => one === b[i] || same(one, b[i] as T))

// Texts that are not `===` differ.
const sameTexts: Same<Readonly<Record<string, string>>> = (a, b) => a === b || sameEntries(a, b, () => false)

const sameSecret: Same<ManifestSecret> = (a, b) =>
	a.version === b.version &&
	a.updated === b.updated &&
	a.state === b.state &&
	a.objectName === b.objectName &&
	a.vault === b.vault &&
	a.pinned === b.pinned &&
	(a.selected ?? false) === (b.selected ?? false) &&
	a.created === b.created &&
	a.notBefore === b.notBefore &&
	a.expires === b.expires &&
	a.contentType === b.contentType &&
	a.form === b.form &&
	sameTexts(a.tags, b.tags) &&
	sameList(a.previous, b.previous, (one, other) => one.version === other.version && one.created === other.created)

const sameSelector: Same<ManifestSelector> = (a, b) =>
	a.prefix === b.prefix &&
	sameTexts(a.tags ?? NO_TAGS, b.tags ?? NO_TAGS) &&
	// A selector without the field and one with no tags have other texts.
	(a.tags === undefined) === (b.tags === undefined) &&
	a.stripPrefix === b.stripPrefix &&
	a.nameStyle === b.nameStyle &&
	a.managed === b.managed
const NO_TAGS = {}

const sameWanted: Same<ManifestWanted> = (a, b) =>
	a.objectName === b.objectName && a.version === b.version && a.form === b.form
