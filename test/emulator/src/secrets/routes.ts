import { badParameter, ServiceError } from '../http/service-error.ts'

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

export interface RouteMatch {
	readonly route: SecretRoute
	readonly name?: string
	readonly version?: string
}

/** Permission of access policies and data action of roles that an operation needs. */
export const PERMISSIONS: Readonly<Record<SecretRoute, { policy: string; action: string }>> = {
	setSecret: { policy: 'set', action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action' },
	getSecret: { policy: 'get', action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action' },
	updateSecret: { policy: 'set', action: 'Microsoft.KeyVault/vaults/secrets/update/action' },
	deleteSecret: { policy: 'delete', action: 'Microsoft.KeyVault/vaults/secrets/delete' },
	listSecrets: { policy: 'list', action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action' },
	listVersions: { policy: 'list', action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action' },
	listDeleted: { policy: 'list', action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action' },
	getDeleted: { policy: 'get', action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action' },
	purgeSecret: { policy: 'purge', action: 'Microsoft.KeyVault/vaults/secrets/purge/action' },
	recoverSecret: { policy: 'recover', action: 'Microsoft.KeyVault/vaults/secrets/recover/action' },
	backupSecret: { policy: 'backup', action: 'Microsoft.KeyVault/vaults/secrets/backup/action' },
	restoreSecret: { policy: 'restore', action: 'Microsoft.KeyVault/vaults/secrets/restore/action' },
}

/** `^[0-9a-zA-Z-]+$`, 1 to 127 characters. */
const NAME = /^[0-9a-zA-Z-]{1,127}$/

type Shape = ReadonlyArray<readonly [methods: Readonly<Record<string, SecretRoute>>, ...segments: string[]]>

/** `{name}` and `{version}` take any segment; order matters: fixed segments come before placeholders. */
const SHAPES: Shape = [
	[{ GET: 'listSecrets' }, 'secrets'],
	[{ POST: 'restoreSecret' }, 'secrets', 'restore'],
	[{ GET: 'listVersions' }, 'secrets', '{name}', 'versions'],
	[{ POST: 'backupSecret' }, 'secrets', '{name}', 'backup'],
	[{ GET: 'getSecret', PUT: 'setSecret', PATCH: 'updateSecret', DELETE: 'deleteSecret' }, 'secrets', '{name}'],
	[{ GET: 'getSecret', PATCH: 'updateSecret' }, 'secrets', '{name}', '{version}'],
	[{ GET: 'listDeleted' }, 'deletedsecrets'],
	[{ GET: 'getDeleted', DELETE: 'purgeSecret' }, 'deletedsecrets', '{name}'],
	[{ POST: 'recoverSecret' }, 'deletedsecrets', '{name}', 'recover'],
]

/**
 * Finds the operation of a request.
 *
 * 1. Cut the path into segments; one trailing slash is allowed (the SDKs send it for "current version").
 * 2. The first shape that fits in segments and knows the method wins; `restore` is also a name, so a shape
 *    that fits but does not know the method does not end the search.
 * 3. Fits without a method: 405. Fits nothing: 404.
 */
export function matchRoute(method: string, path: string): RouteMatch {
	const segments = path.split('/').slice(1)
	if (segments.at(-1) === '') segments.pop()
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
		if (route) return { route, ...decode(params) }
	}
	if (fits) throw new ServiceError(405, 'MethodNotAllowed', `HTTP ${method} not allowed`)
	throw new ServiceError(404, 'NotFound', 'The requested resource was not found.')
}

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
