import { fileNameProblem } from './names.ts'
import {
	MANIFEST_SCHEMA,
	type Manifest,
	type ManifestPrevious,
	type ManifestSecret,
	type ManifestSelector,
	type ManifestWanted,
	SECRET_STATES,
} from './types.ts'

/** What a manifest's text turned out to be. */
export type ParsedManifest =
	| { kind: 'ok'; manifest: Manifest }
	/** Written by a newer or foreign writer: read the plain files. */
	| { kind: 'unknownSchema'; schema: unknown }
	/** `problem` names the field, never its content: a secret may lie under this file name by mistake. */
	| { kind: 'invalid'; problem: string }

// RFC 3339 in UTC and whole seconds. Key Vault accepts expiries beyond the year 9999, which ECMAScript writes as +YYYYYY.
const TIME = /^(\d{4}|\+\d{6})-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/

class Invalid extends Error {}
type Fields = Record<string, unknown>

const own = (fields: Fields, key: string) => (Object.hasOwn(fields, key) ? fields[key] : undefined)

function isObject(value: unknown): value is Fields {
	return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function object(value: unknown, where: string): Fields {
	if (!isObject(value)) throw new Invalid(`${where} is not an object`)
	return value
}

function array(value: unknown, where: string): unknown[] {
	if (!Array.isArray(value)) throw new Invalid(`${where} is not an array`)
	return value
}

function string(value: unknown, where: string): string {
	if (typeof value !== 'string') throw new Invalid(`${where} is not a string`)
	return value
}

function boolean(value: unknown, where: string): boolean {
	if (typeof value !== 'boolean') throw new Invalid(`${where} is not true or false`)
	return value
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], where: string): T {
	const found = allowed.find((item) => item === value)
	if (found === undefined) throw new Invalid(`${where} is none of ${allowed.join(', ')}`)
	return found
}

function optionalString<K extends string>(fields: Fields, key: K, where: string): { [P in K]?: string } {
	const value = own(fields, key)
	return value === undefined ? {} : ({ [key]: string(value, `${where}.${key}`) } as { [P in K]?: string })
}

function optionalTime<K extends string>(fields: Fields, key: K, where: string): { [P in K]?: string } {
	const found = optionalString(fields, key, where)
	const text = found[key]
	if (text !== undefined && !(TIME.test(text) && Number.isFinite(Date.parse(text))))
		throw new Invalid(`${where}.${key} is not a time in UTC and whole seconds`)
	return found
}

// Object.fromEntries defines own properties, so that a tag named "__proto__" stays a tag and touches no prototype.
function strings(value: unknown, where: string): Record<string, string> {
	return Object.fromEntries(
		Object.entries(object(value, where)).map(([key, item]) => [key, string(item, `a value of ${where}`)]),
	)
}

function previous(value: unknown, where: string): ManifestPrevious {
	const fields = object(value, where)
	return { version: string(own(fields, 'version'), `${where}.version`), ...optionalTime(fields, 'created', where) }
}

function secret(value: unknown, where: string): ManifestSecret {
	const fields = object(value, where)
	return {
		objectName: string(own(fields, 'objectName'), `${where}.objectName`),
		...optionalString(fields, 'vault', where),
		version: string(own(fields, 'version'), `${where}.version`),
		state: oneOf(own(fields, 'state'), SECRET_STATES, `${where}.state`),
		pinned: boolean(own(fields, 'pinned'), `${where}.pinned`),
		...optionalTime(fields, 'created', where),
		...optionalTime(fields, 'updated', where),
		...optionalTime(fields, 'notBefore', where),
		...optionalTime(fields, 'expires', where),
		...optionalString(fields, 'contentType', where),
		...optionalString(fields, 'form', where),
		tags: strings(own(fields, 'tags'), `${where}.tags`),
		previous: array(own(fields, 'previous'), `${where}.previous`).map((item, i) =>
			previous(item, `${where}.previous[${i}]`),
		),
	}
}

function wanted(value: unknown, where: string): ManifestWanted {
	const fields = object(value, where)
	return {
		objectName: string(own(fields, 'objectName'), `${where}.objectName`),
		...optionalString(fields, 'version', where),
		...optionalString(fields, 'form', where),
	}
}

function selector(value: unknown, where: string): ManifestSelector {
	const fields = object(value, where)
	const tags = own(fields, 'tags')
	return {
		...optionalString(fields, 'prefix', where),
		...(tags === undefined ? {} : { tags: strings(tags, `${where}.tags`) }),
		stripPrefix: boolean(own(fields, 'stripPrefix'), `${where}.stripPrefix`),
		nameStyle: oneOf(own(fields, 'nameStyle'), ['AsIs', 'UpperSnake'] as const, `${where}.nameStyle`),
		managed: boolean(own(fields, 'managed'), `${where}.managed`),
	}
}

function byFileName<T>(value: unknown, where: string, read: (item: unknown, where: string) => T): Record<string, T> {
	const entries = Object.entries(object(value, where)).map(([name, item], i) => {
		const problem = fileNameProblem(name)
		if (problem !== undefined) throw new Invalid(`${where}, entry ${i + 1}: ${problem}`)
		return [name, read(item, `${where}.${name}`)] as const
	})
	return Object.fromEntries(entries)
}

/** No names and no field are the same. */
function optionalWanted(value: unknown): Pick<Manifest, 'wanted'> {
	const found = value === undefined ? {} : byFileName(value, 'wanted', wanted)
	return Object.keys(found).length === 0 ? {} : { wanted: found }
}

function manifest(fields: Fields): Manifest {
	const revision = own(fields, 'revision')
	if (typeof revision !== 'number' || !Number.isSafeInteger(revision) || revision < 0)
		throw new Invalid('revision is not a whole number of 0 or more')
	const binding = object(own(fields, 'binding'), 'binding')
	return {
		schema: MANIFEST_SCHEMA,
		revision,
		binding: {
			namespace: string(own(binding, 'namespace'), 'binding.namespace'),
			name: string(own(binding, 'name'), 'binding.name'),
			uid: string(own(binding, 'uid'), 'binding.uid'),
		},
		vault: string(own(fields, 'vault'), 'vault'),
		selectors: array(own(fields, 'selectors'), 'selectors').map((item, i) => selector(item, `selectors[${i}]`)),
		secrets: byFileName(own(fields, 'secrets'), 'secrets', secret),
		...optionalWanted(own(fields, 'wanted')),
	}
}

/**
 * Reads the text of `.binding.json`. Unknown fields are kept out and never an error, because the schema grows by additions.
 * Does not throw.
 */
export function parseManifest(text: string): ParsedManifest {
	let value: unknown
	try {
		value = JSON.parse(text)
	} catch {
		// The engine's own message quotes the text.
		return { kind: 'invalid', problem: 'it is not JSON' }
	}
	if (!isObject(value)) return { kind: 'invalid', problem: 'it is not a JSON object' }
	const schema = own(value, 'schema')
	if (schema !== MANIFEST_SCHEMA) return { kind: 'unknownSchema', schema }
	try {
		return { kind: 'ok', manifest: manifest(value) }
	} catch (error) {
		if (error instanceof Invalid) return { kind: 'invalid', problem: error.message }
		throw error
	}
}
