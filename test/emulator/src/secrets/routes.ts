import { badParameter, notEmulated, ServiceError } from '../http/service-error.ts'

/** The operations of the secret plane. */
export type SecretRoute =
	| 'setSecret'
	| 'getSecret'
	| 'updateSecret'
	| 'deleteSecret'
	| 'listSecrets'
	| 'listVersions'
	| 'listDeleted'
	| 'getDeleted'
	| 'purgeSecret'
	| 'recoverSecret'
	| 'backupSecret'
	| 'restoreSecret'

/** The operations on keys. */
export type KeyRoute =
	| 'createKey'
	| 'importKey'
	| 'getKey'
	| 'updateKey'
	| 'deleteKey'
	| 'listKeys'
	| 'listKeyVersions'
	| 'listDeletedKeys'
	| 'getDeletedKey'
	| 'purgeKey'
	| 'recoverKey'

/** The operations on certificates. */
export type CertificateRoute =
	| 'createCertificate'
	| 'importCertificate'
	| 'getCertificate'
	| 'updateCertificate'
	| 'deleteCertificate'
	| 'listCertificates'
	| 'listCertificateVersions'
	| 'getCertificatePolicy'
	| 'updateCertificatePolicy'
	| 'getCertificateOperation'
	| 'listDeletedCertificates'
	| 'getDeletedCertificate'
	| 'purgeCertificate'
	| 'recoverCertificate'

export type Route = SecretRoute | KeyRoute | CertificateRoute

export interface RouteMatch {
	readonly route: Route
	/** What the object is called in paths of resources. */
	readonly area: 'secrets' | 'keys' | 'certificates'
	readonly name?: string
	readonly version?: string
}

/** `^[0-9a-zA-Z-]+$`, 1 to 127 characters. */
const NAME = /^[0-9a-zA-Z-]{1,127}$/

type Shape = readonly [methods: Readonly<Record<string, Route>>, ...segments: string[]]

/** `{name}` and `{version}` take any segment; order matters: fixed segments come before placeholders. */
const SHAPES: readonly Shape[] = [
	[{ GET: 'listSecrets' }, 'secrets'],
	[{ POST: 'restoreSecret' }, 'secrets', 'restore'],
	[{ GET: 'listVersions' }, 'secrets', '{name}', 'versions'],
	[{ POST: 'backupSecret' }, 'secrets', '{name}', 'backup'],
	[{ GET: 'getSecret', PUT: 'setSecret', PATCH: 'updateSecret', DELETE: 'deleteSecret' }, 'secrets', '{name}'],
	[{ GET: 'getSecret', PATCH: 'updateSecret' }, 'secrets', '{name}', '{version}'],
	[{ GET: 'listDeleted' }, 'deletedsecrets'],
	[{ GET: 'getDeleted', DELETE: 'purgeSecret' }, 'deletedsecrets', '{name}'],
	[{ POST: 'recoverSecret' }, 'deletedsecrets', '{name}', 'recover'],

	[{ GET: 'listKeys' }, 'keys'],
	[{ POST: 'createKey' }, 'keys', '{name}', 'create'],
	[{ GET: 'listKeyVersions' }, 'keys', '{name}', 'versions'],
	[{ GET: 'getKey', PUT: 'importKey', PATCH: 'updateKey', DELETE: 'deleteKey' }, 'keys', '{name}'],
	[{ GET: 'getKey', PATCH: 'updateKey' }, 'keys', '{name}', '{version}'],
	[{ GET: 'listDeletedKeys' }, 'deletedkeys'],
	[{ GET: 'getDeletedKey', DELETE: 'purgeKey' }, 'deletedkeys', '{name}'],
	[{ POST: 'recoverKey' }, 'deletedkeys', '{name}', 'recover'],

	[{ GET: 'listCertificates' }, 'certificates'],
	[{ POST: 'createCertificate' }, 'certificates', '{name}', 'create'],
	[{ POST: 'importCertificate' }, 'certificates', '{name}', 'import'],
	[{ GET: 'listCertificateVersions' }, 'certificates', '{name}', 'versions'],
	[{ GET: 'getCertificatePolicy', PATCH: 'updateCertificatePolicy' }, 'certificates', '{name}', 'policy'],
	[{ GET: 'getCertificateOperation' }, 'certificates', '{name}', 'pending'],
	[{ GET: 'getCertificate', PATCH: 'updateCertificate', DELETE: 'deleteCertificate' }, 'certificates', '{name}'],
	[{ GET: 'getCertificate', PATCH: 'updateCertificate' }, 'certificates', '{name}', '{version}'],
	[{ GET: 'listDeletedCertificates' }, 'deletedcertificates'],
	[{ GET: 'getDeletedCertificate', DELETE: 'purgeCertificate' }, 'deletedcertificates', '{name}'],
	[{ POST: 'recoverCertificate' }, 'deletedcertificates', '{name}', 'recover'],
]

/** Fixed words that stand where a version may: a path of them is no object, and its operation is not here. */
const RESERVED: ReadonlySet<string> = new Set([
	...['backup', 'restore', 'rotate', 'rotationpolicy', 'release', 'attestation'],
	...['encrypt', 'decrypt', 'sign', 'verify', 'wrapkey', 'unwrapkey', 'merge', 'issuers', 'contacts'],
])
/** What a vault has beside secrets, of which only a part is here. */
const PARTIAL = /^\/(keys|deletedkeys|certificates|deletedcertificates|rng|storage|deletedstorage)(\/|$)/i

/**
 * Finds the operation of a request.
 *
 * 1. Cut the path into segments; one trailing slash is allowed (the SDKs send it for "current version").
 * 2. The first shape that fits in segments and knows the method wins; `restore` is also a name, so a shape
 *    that fits but does not know the method does not end the search.
 * 3. Of keys and certificates, what the service has and the emulator has not: 501, whatever the method.
 * 4. Fits without a method: 405. Fits nothing: 404.
 */
export function matchRoute(method: string, path: string): RouteMatch {
	const segments = path.split('/').slice(1)
	if (segments.at(-1) === '') segments.pop()
	const partial = PARTIAL.test(path)
	const missing = (): ServiceError => notEmulated(`${method} /${segments.map(word).join('/')}`)
	if (partial && segments.slice(1).some((segment, at) => isReserved(segments, segment, at))) throw missing()
	let fits = false
	for (const [methods, ...shape] of SHAPES) {
		if (shape.length !== segments.length) continue
		const params: { name?: string; version?: string } = {}
		const matches = shape.every((part, at) => {
			const segment = segments[at] as string
			if (part === '{name}') params.name = segment
			else if (part === '{version}') params.version = segment
			else return segment.toLowerCase() === part
			return segment !== ''
		})
		if (!matches) continue
		fits = true
		const route = methods[method]
		if (route) return { route, area: areaOf(shape[0]), ...decode(params) }
	}
	if (partial) throw missing()
	if (fits) throw new ServiceError(405, 'MethodNotAllowed', `HTTP ${method} not allowed`)
	throw new ServiceError(404, 'NotFound', 'The requested resource was not found.')
}

const areaOf = (first: string | undefined): RouteMatch['area'] =>
	first?.endsWith('keys') ? 'keys' : first?.endsWith('certificates') ? 'certificates' : 'secrets'

/** A reserved word is a name like any other directly behind the area, but for the ones that stand there alone. */
const isReserved = (segments: readonly string[], segment: string, at: number): boolean =>
	RESERVED.has(segment.toLowerCase()) &&
	(at > 0 || (segments.length === 2 && segment === 'restore') || segment === 'issuers' || segment === 'contacts')

/** A segment as a text may show it: a name or version is the caller's own, the rest is the path's. */
const word = (segment: string, at: number): string =>
	at === 0 || RESERVED.has(segment.toLowerCase()) ? printable(segment) : at === 1 ? '{name}' : '{version}'

/** Percent escapes are undone before the rules are applied; a broken one is an invalid name. */
function decode(params: { name?: string; version?: string }): { name?: string; version?: string } {
	const name = params.name === undefined ? undefined : unescaped(params.name)
	const version = params.version === undefined ? undefined : unescaped(params.version)
	if (name !== undefined && !NAME.test(name))
		throw badParameter(`The request URI contains an invalid name: ${printable(name)}`)
	if (version !== undefined && !NAME.test(version))
		throw badParameter(`The request URI contains an invalid version: ${printable(version)}`)
	return { ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) }
}

function unescaped(segment: string): string {
	try {
		return decodeURIComponent(segment)
	} catch {
		return segment
	}
}

/** Bounded, and without control characters: this goes into an answer. */
const printable = (text: string): string => text.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')
