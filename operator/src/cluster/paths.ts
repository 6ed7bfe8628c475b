import type { RequestLabels } from '../ports/observe.ts'
import type { Permission } from '../status/commands.ts'

/** What a request is about, in words with few values: for metrics and for error messages. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

const VERBS: Record<Exclude<Method, 'GET'>, string> = {
	POST: 'create',
	PUT: 'update',
	PATCH: 'patch',
	DELETE: 'delete',
}

/**
 * Reads `/api/v1[/namespaces/NS]/RESOURCE[/NAME[/SUB]]` and `/apis/GROUP/VERSION…` the same way as the API server does.
 * Names never become labels.
 */
export function describeRequest(method: Method, path: string, watch = false): RequestLabels {
	const { resource, name, sub } = partsOf(path)
	const kind = resource === undefined ? 'other' : sub === undefined ? resource : `${resource}/${sub}`
	if (method !== 'GET') return { verb: VERBS[method], kind }
	return { verb: watch ? 'watch' : name === undefined && resource !== undefined ? 'list' : 'get', kind }
}

/** What a request takes to be allowed; undefined when it is not about a resource of one namespace. */
export function permissionFor({ verb, kind }: RequestLabels, path: string): Permission | undefined {
	const { namespace, name } = partsOf(path)
	return namespace === undefined ? undefined : { verb, resource: kind, namespace, name }
}

function partsOf(path: string): Record<'namespace' | 'resource' | 'name' | 'sub', string | undefined> {
	const parts = path.split('/').filter((part) => part !== '')
	const rest = parts[0] === 'api' ? parts.slice(2) : parts[0] === 'apis' ? parts.slice(3) : []
	// `/namespaces/NS` alone, and its status, are the namespace itself.
	const inside = rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status'
	const [resource, name, sub] = inside ? rest.slice(2) : rest
	return { namespace: inside ? rest[1] : undefined, resource, name, sub }
}

/** True where bodies hold secret values or tokens. */
export function isSensitive({ kind }: RequestLabels): boolean {
	return kind === 'secrets' || kind === 'serviceaccounts/token' || kind === 'tokenreviews'
}
