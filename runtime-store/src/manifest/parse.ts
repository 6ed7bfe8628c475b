import { fileNameProblem } from './file-names.ts'
import {
	MANIFEST_SCHEMA,
	type Manifest,
	type ManifestPrevious,
	type ManifestSecret,
	type ManifestSelector,
	type ManifestWanted,
	SECRET_STATES,
} from './schema.ts'

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

function string(fields: Fields, key: string): string {
	const value = own(fields, key)
	if (typeof value !== 'string') throw new Invalid(`${key} is not a string`)
	return value
}

function boolean(fields: Fields, key: string): boolean {
	const value = own(fields, key)
	if (typeof value !== 'boolean') throw new Invalid(`${key} is not true or false`)
	return value
}

function oneOf<T extends string>(fields: Fields, key: string, allowed: readonly T[]): T {
	const value = own(fields, key)
	const found = allowed.find((item) => item === value)
	if (found === undefined) throw new Invalid(`${key} is none of ${allowed.join(', ')}`)
	return found
}

/** Copies fields that may be absent. */
function copyStrings<K extends string>(fields: Fields, keys: readonly K[], to: { [P in K]?: string }): void {
	for (const key of keys) if (own(fields, key) !== undefined) to[key] = string(fields, key)
}

function copyTimes<K extends string>(fields: Fields, keys: readonly K[], to: { [P in K]?: string }): void {
	copyStrings(fields, keys, to)
	for (const key of keys) {
		const text = to[key]
		if (text !== undefined && !(TIME.test(text) && Number.isFinite(Date.parse(text))))
			throw new Invalid(`${key} is not a time in UTC and whole seconds`)
	}
}

/** Says where a problem is. Built only when there is one: a manifest has thousands of fields. */
function at<T, Item>(read: (item: Item) => T, item: Item, where: () => string): T {
	try {
		return read(item)
	} catch (error) {
		if (error instanceof Invalid) throw new Invalid(`${where()}${error.message}`)
		throw error
	}
}

const fieldsOf = (value: unknown): Fields => {
	if (!isObject(value)) throw new Invalid('it is not an object')
	return value
}

// Object.fromEntries defines own properties, so that a tag named "__proto__" stays a tag and touches no prototype.
function strings(fields: Fields, key: string): Record<string, string> {
	const entries = Object.entries(object(own(fields, key), key))
	for (const [, item] of entries)
		if (typeof item !== 'string') throw new Invalid(`${key} has a value that is not a string`)
	return Object.fromEntries(entries) as Record<string, string>
}

function list<T>(fields: Fields, key: string, read: (item: unknown) => T): T[] {
	return array(own(fields, key), key).map((item, i) => at(read, item, () => `${key}[${i}].`))
}

function previous(value: unknown): ManifestPrevious {
	const fields = fieldsOf(value)
	const found: ManifestPrevious = { version: string(fields, 'version') }
	copyTimes(fields, ['created'], found)
	return found
}

const TIMES = ['created', 'updated', 'notBefore', 'expires'] as const
const TEXTS = ['vault', 'contentType', 'form'] as const

function secret(value: unknown): ManifestSecret {
	const fields = fieldsOf(value)
	const found: ManifestSecret = {
		objectName: string(fields, 'objectName'),
		version: string(fields, 'version'),
		state: oneOf(fields, 'state', SECRET_STATES),
		pinned: boolean(fields, 'pinned'),
		...(own(fields, 'selected') === true ? { selected: true } : {}),
		tags: strings(fields, 'tags'),
		previous: list(fields, 'previous', previous),
	}
	copyStrings(fields, TEXTS, found)
	copyTimes(fields, TIMES, found)
	return found
}

function wanted(value: unknown): ManifestWanted {
	const fields = fieldsOf(value)
	const found: ManifestWanted = { objectName: string(fields, 'objectName') }
	copyStrings(fields, ['version', 'form'], found)
	return found
}

function selector(value: unknown): ManifestSelector {
	const fields = fieldsOf(value)
	const found: ManifestSelector = {
		stripPrefix: boolean(fields, 'stripPrefix'),
		nameStyle: oneOf(fields, 'nameStyle', ['AsIs', 'UpperSnake'] as const),
		managed: boolean(fields, 'managed'),
	}
	copyStrings(fields, ['prefix'], found)
	if (own(fields, 'tags') !== undefined) found.tags = strings(fields, 'tags')
	return found
}

function byFileName<T>(fields: Fields, key: string, read: (item: unknown) => T): Record<string, T> {
	const entries = Object.entries(object(own(fields, key), key)).map(([name, item], i) => {
		const problem = fileNameProblem(name)
		if (problem !== undefined) throw new Invalid(`${key}, entry ${i + 1}: ${problem}`)
		return [name, at(read, item, () => `${key}.${name}.`)] as const
	})
	return Object.fromEntries(entries)
}

/** No names and no field are the same. */
function optionalWanted(fields: Fields): Pick<Manifest, 'wanted'> {
	const found = own(fields, 'wanted') === undefined ? {} : byFileName(fields, 'wanted', wanted)
	return Object.keys(found).length === 0 ? {} : { wanted: found }
}

function binding(fields: Fields): Manifest['binding'] {
	return { namespace: string(fields, 'namespace'), name: string(fields, 'name'), uid: string(fields, 'uid') }
}

function manifest(fields: Fields): Manifest {
	const revision = own(fields, 'revision')
	if (typeof revision !== 'number' || !Number.isSafeInteger(revision) || revision < 0)
		throw new Invalid('revision is not a whole number of 0 or more')
	return {
		schema: MANIFEST_SCHEMA,
		revision,
		binding: at(binding, object(own(fields, 'binding'), 'binding'), () => 'binding.'),
		vault: string(fields, 'vault'),
		selectors: list(fields, 'selectors', selector),
		secrets: byFileName(fields, 'secrets', secret),
		...optionalWanted(fields),
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
