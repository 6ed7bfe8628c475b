// Secrets of one namespace as the API server keeps them. test/integration/simulation/requests.test.ts asks this and a real
// one the same questions.
import type { SecretObject } from '../../operator/src/destinations/secret/secret-object.ts'

/** What an API server answers that does not do what it is asked. */
export class ApiRefusal extends Error {
	override readonly name = 'ApiRefusal'
	readonly status: number
	readonly reason: string

	constructor(status: number, reason: string, message: string) {
		super(message)
		this.status = status
		this.reason = reason
	}
}

type Json = Readonly<Record<string, unknown>>
type Stored = SecretObject & { metadata: { managedFields: Managed[] } }
interface Managed {
	manager: string
	operation: 'Update'
	apiVersion: 'v1'
	time: string
	fieldsType: 'FieldsV1'
	fieldsV1: Record<string, unknown>
}

/** Sum of value bytes that a Secret may have. */
const MAX_BYTES = 1_048_576
/** What the API server asks of the data of a Secret of a type. */
interface TypeRules {
	/** keys that must be there */
	all?: readonly string[]
	/** keys of which one must be there */
	any?: readonly string[]
	/** that must be there and not be empty */
	filled?: string
	/** that must be there and be JSON: an object, or null */
	json?: string
}
const TYPES: Readonly<Record<string, TypeRules>> = {
	'kubernetes.io/tls': { all: ['tls.crt', 'tls.key'] },
	'kubernetes.io/basic-auth': { any: ['username', 'password'] },
	'kubernetes.io/ssh-auth': { filled: 'ssh-privatekey' },
	'kubernetes.io/dockerconfigjson': { json: '.dockerconfigjson' },
}

const invalid = (message: string) => new ApiRefusal(422, 'Invalid', message)

/**
 * 1. A create takes everything; a merge patch what it names, and null takes away.
 * 2. A patch that carries a resourceVersion is taken only when that is the present one. One that changes nothing writes nothing.
 * 3. The type never changes; an immutable Secret keeps its data; sum of bytes and keys of the type are checked.
 * 4. Who wrote which field last stands in managedFields: a change takes the field over, an equal value does not.
 */
export class SimulatedSecrets {
	readonly #secrets = new Map<string, Stored>()
	/** of each that was stored, by their path in managedFields */
	readonly #fields = new WeakMap<Stored, ReadonlyMap<string, unknown>>()
	/** the clock of the API server, milliseconds since the epoch */
	readonly #now: () => number
	#version = 1_000
	#uid = 0

	constructor(now: () => number) {
		this.#now = now
	}

	/** Counts up with each write of anything. */
	nextVersion(): string {
		return String(++this.#version)
	}

	get(name: string): SecretObject | undefined {
		return this.#secrets.get(name)
	}

	create(body: Json, manager: string): SecretObject {
		const { metadata, type = 'Opaque', immutable } = body as Partial<SecretObject>
		const name = metadata?.name ?? ''
		if (this.#secrets.has(name)) throw new ApiRefusal(409, 'AlreadyExists', `secrets "${name}" already exists`)
		const secret: Stored = {
			metadata: {
				...(metadata as SecretObject['metadata']),
				name,
				uid: `uid-${++this.#uid}`,
				resourceVersion: '',
				managedFields: [],
			},
			type,
			...(immutable === undefined ? {} : { immutable }),
			data: dataOf(body),
		}
		check(secret)
		return this.#store(undefined, secret, manager)
	}

	/** JSON merge patch. */
	patch(name: string, body: Json, manager: string): SecretObject {
		const before = this.#secrets.get(name)
		if (!before) throw new ApiRefusal(404, 'NotFound', `secrets "${name}" not found`)
		const { resourceVersion: expected, uid, ...metadata } = (body['metadata'] ?? {}) as Json
		if (uid !== undefined && uid !== before.metadata.uid)
			throw invalid('metadata.uid: Invalid value: field is immutable')
		if (expected !== undefined && expected !== before.metadata.resourceVersion)
			throw new ApiRefusal(409, 'Conflict', `Operation cannot be fulfilled on secrets "${name}"`)
		const { data: _, stringData: __, metadata: ___, ...rest } = body
		const { uid: ownUid, resourceVersion, managedFields } = before.metadata
		const after = {
			...(merged(before, rest) as unknown as Stored),
			metadata: {
				...(merged(before.metadata, metadata) as unknown as Stored['metadata']),
				uid: ownUid,
				resourceVersion,
				managedFields,
			},
			data: {
				...dropNulls({ ...before.data, ...(body['data'] as Record<string, string | null> | undefined) }),
				...stringData(body),
			},
		}
		if ((after.type ?? 'Opaque') !== before.type) throw invalid('type: Invalid value: field is immutable')
		if (before.immutable && (after.immutable !== true || !same(after.data, before.data)))
			throw invalid('data: Forbidden: field is immutable when `immutable` is set')
		check(after)
		return this.#store(before, after, manager)
	}

	remove(name: string, { uid, resourceVersion }: { uid?: string; resourceVersion?: string } = {}): void {
		const secret = this.#secrets.get(name)
		if (!secret) throw new ApiRefusal(404, 'NotFound', `secrets "${name}" not found`)
		if (uid !== undefined && uid !== secret.metadata.uid)
			throw new ApiRefusal(409, 'Conflict', `Precondition failed: UID in precondition: ${uid}`)
		if (resourceVersion !== undefined && resourceVersion !== secret.metadata.resourceVersion)
			throw new ApiRefusal(409, 'Conflict', `Precondition failed: ResourceVersion in precondition: ${resourceVersion}`)
		this.#secrets.delete(name)
		this.nextVersion()
	}

	#store(before: Stored | undefined, after: Stored, manager: string): SecretObject {
		const { managedFields: old, ...metadata } = after.metadata
		const fields = fieldsOf(after)
		const changed = changes((before && this.#fields.get(before)) ?? new Map(), fields)
		if (before && changed.size === 0 && same(before, after)) return before
		const time = `${new Date(this.#now()).toISOString().slice(0, 19)}Z`
		const stored: Stored = {
			...after,
			metadata: {
				...metadata,
				resourceVersion: this.nextVersion(),
				managedFields: manage(old, changed, fields, manager, time),
			},
		}
		this.#fields.set(stored, fields)
		this.#secrets.set(after.metadata.name, stored)
		return stored
	}
}

function check({ type = 'Opaque', data = {} }: SecretObject): void {
	let bytes = 0
	for (const [key, value] of Object.entries(data)) {
		if (!/^[-._a-zA-Z0-9]{1,253}$/.test(key) || key === '.' || key.startsWith('..'))
			throw invalid(`data[${key}]: Invalid value`)
		bytes += Buffer.byteLength(value, 'base64')
	}
	if (bytes > MAX_BYTES) throw invalid(`data: Too long: may not be more than ${MAX_BYTES} bytes`)
	checkType(data, TYPES[type] ?? {})
}

function checkType(data: Readonly<Record<string, string>>, { all = [], any = [], filled, json }: TypeRules): void {
	const missing = (key: string) => invalid(`data[${key}]: Required value`)
	for (const key of all) if (!Object.hasOwn(data, key)) throw missing(key)
	if (any.length > 0 && !any.some((key) => Object.hasOwn(data, key))) throw missing(any.join(', '))
	if (filled !== undefined && !data[filled]) throw missing(filled)
	if (json === undefined) return
	const value = data[json]
	if (value === undefined) throw missing(json)
	if (!isJsonOfMap(Buffer.from(value, 'base64').toString('utf8'))) throw invalid(`data[${json}]: Invalid value`)
}

/** Whether Go takes a text for a map. */
export function isJsonOfMap(text: string): boolean {
	try {
		const value: unknown = JSON.parse(text)
		return value === null || isRecord(value)
	} catch {
		return false
	}
}

const stringData = (body: Json): Record<string, string> =>
	Object.fromEntries(
		Object.entries((body['stringData'] ?? {}) as Record<string, string>).map(([key, value]) => [
			key,
			Buffer.from(value, 'utf8').toString('base64'),
		]),
	)

const dataOf = (body: Json): Record<string, string> => ({
	...(body['data'] as Record<string, string> | undefined),
	...stringData(body),
})

const dropNulls = <V>(record: Record<string, V | null>): Record<string, V> =>
	Object.fromEntries(Object.entries(record).flatMap(([key, value]) => (value === null ? [] : [[key, value]])))

const isRecord = (value: unknown): value is Record<string, unknown> =>
	typeof value === 'object' && value !== null && !Array.isArray(value)

/** RFC 7396. */
function merged(target: unknown, patch: unknown): unknown {
	if (!isRecord(patch)) return patch
	const result: Record<string, unknown> = isRecord(target) ? { ...target } : {}
	for (const [key, value] of Object.entries(patch)) {
		if (value === null) delete result[key]
		else result[key] = merged(result[key], value)
	}
	return result
}

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

/** Fields by their path in managedFields. */
function fieldsOf({ metadata, type, immutable, data = {} }: SecretObject): Map<string, unknown> {
	const fields = new Map<string, unknown>([['f:type', type]])
	if (immutable !== undefined) fields.set('f:immutable', immutable)
	// Whoever makes the first key makes the map.
	if (Object.keys(data).length > 0) fields.set('f:data/.', true)
	for (const [key, value] of Object.entries(data)) fields.set(`f:data/f:${key}`, value)
	for (const map of ['labels', 'annotations'] as const)
		if (Object.keys(metadata[map] ?? {}).length > 0) fields.set(`f:metadata/f:${map}/.`, true)
	for (const [key, value] of Object.entries(metadata.labels ?? {})) fields.set(`f:metadata/f:labels/f:${key}`, value)
	for (const [key, value] of Object.entries(metadata.annotations ?? {}))
		fields.set(`f:metadata/f:annotations/f:${key}`, value)
	for (const owner of metadata.ownerReferences ?? [])
		fields.set(`f:metadata/f:ownerReferences/k:{"uid":"${owner.uid}"}`, owner)
	return fields
}

/** Paths that came, changed or went. */
function changes(was: ReadonlyMap<string, unknown>, is: ReadonlyMap<string, unknown>): Set<string> {
	const paths = new Set<string>()
	for (const [path, value] of is) if (!was.has(path) || !same(was.get(path), value)) paths.add(path)
	for (const path of was.keys()) if (!is.has(path)) paths.add(path)
	return paths
}

/** A change moves a field from whoever had it to who made it. */
function manage(
	old: readonly Managed[],
	changed: ReadonlySet<string>,
	present: ReadonlyMap<string, unknown>,
	manager: string,
	time: string,
): Managed[] {
	const others = old.map((entry) => ({ entry, paths: pathsOf(entry.fieldsV1) }))
	const own = others.find(({ entry }) => entry.manager === manager)
	const taken = [...changed].filter((path) => present.has(path))
	const kept = others.flatMap(({ entry, paths }) => {
		const rest = paths.filter((path) => !changed.has(path) && present.has(path))
		if (entry === own?.entry) return []
		if (rest.length === paths.length) return [entry]
		return rest.length === 0 ? [] : [{ ...entry, fieldsV1: treeOf(rest) }]
	})
	const mine = [...(own?.paths.filter((path) => present.has(path) && !changed.has(path)) ?? []), ...taken]
	if (mine.length === 0) return kept
	return [
		...kept,
		{ manager, operation: 'Update', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1: treeOf(mine) },
	]
}

/** Who wrote which field last: manager → paths. */
export function fieldsManagedBy({ metadata: { managedFields = [] } }: SecretObject): Map<string, string[]> {
	return new Map(managedFields.map(({ manager = '', fieldsV1 = {} }) => [manager, pathsOf(fieldsV1).sort()]))
}

const MAPS: ReadonlySet<string> = new Set(['f:data', 'f:metadata/f:labels', 'f:metadata/f:annotations'])

function pathsOf(tree: Record<string, unknown>, prefix = ''): string[] {
	return Object.entries(tree).flatMap(([key, value]) => {
		const path = prefix === '' ? key : `${prefix}/${key}`
		if (isRecord(value) && Object.keys(value).length > 0) return pathsOf(value, path)
		// A map of which nothing else is left.
		return [MAPS.has(path) ? `${path}/.` : path]
	})
}

function treeOf(paths: readonly string[]): Record<string, unknown> {
	const tree: Record<string, unknown> = {}
	for (const path of paths) {
		let at = tree
		for (const step of stepsOf(path)) {
			const next = (at[step] as Record<string, unknown> | undefined) ?? {}
			at[step] = next
			at = next
		}
	}
	return withoutDots(tree)
}

/** The server leaves the dot of a map out when it is all that is there. */
const withoutDots = (tree: Record<string, unknown>): Record<string, unknown> =>
	Object.fromEntries(
		Object.entries(tree).flatMap(([key, value]) => {
			if (key === '.' && Object.keys(tree).length === 1) return []
			return [[key, isRecord(value) ? withoutDots(value) : value]]
		}),
	)

/** Keys of labels and annotations have slashes of their own. */
const stepsOf = (path: string): string[] => path.split(/\/(?=[fk]:|\.$)/)
