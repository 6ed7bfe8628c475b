// Every way we know to make the API server show an object to somebody who may not get it.
import type { RawRequest } from '../../kit/raw-client.ts'
import { eventOf, type Scene } from './scene.ts'

export const MERGE = 'application/merge-patch+json'
export const JSON_PATCH = 'application/json-patch+json'
export const STRATEGIC = 'application/strategic-merge-patch+json'
export const APPLY = 'application/apply-patch+yaml'

export const patch = (path: string, body: unknown, contentType = MERGE): RawRequest => ({
	method: 'PATCH',
	path,
	body,
	contentType,
})

/** The same with another query. */
const asked = (request: RawRequest, query: string): RawRequest => ({
	...request,
	path: `${request.path}${request.path.includes('?') ? '&' : '?'}${query}`,
})

type Named = [what: string, request: RawRequest]

/** Patches of nothing, in all four types. */
export const emptyPatches = (path: string, kind = 'Secret'): Named[] => [
	['empty merge patch', patch(path, {}, MERGE)],
	['empty JSON patch', patch(path, [], JSON_PATCH)],
	['empty strategic merge patch', patch(path, {}, STRATEGIC)],
	['empty server-side apply', apply(path, kind, {})],
]

const apply = (path: string, kind: string, more: object) => {
	const apiVersion = path.includes('/events.k8s.io/') ? 'events.k8s.io/v1' : 'v1'
	const name = path.replace(/\/status$/, '').replace(/^.*\//, '')
	return patch(`${path}?fieldManager=thief&force=true`, { apiVersion, kind, metadata: { name }, ...more }, APPLY)
}

/** Patches whose result the API server cannot decode: it quotes the object before it asks any admission policy. */
function undecodablePatches(path: string, kind: string): Named[] {
	const copies = [
		'/type',
		'/metadata/uid',
		'/metadata/resourceVersion',
		'/metadata/labels/x',
		'/metadata/annotations/x',
	]
	return [
		['merge patch of a wrong type', patch(path, { immutable: 'x' }, MERGE)],
		['merge patch of a wrong type in data', patch(path, { data: { password: 1 } }, MERGE)],
		['merge patch of a wrong type in metadata', patch(path, { metadata: { labels: { x: {} } } }, MERGE)],
		['merge patch of another kind', patch(path, { kind: 'ConfigMap' }, MERGE)],
		['strategic merge patch of a wrong type', patch(path, { immutable: 'x' }, STRATEGIC)],
		['strategic merge patch of a wrong type in data', patch(path, { data: { password: 1 } }, STRATEGIC)],
		['server-side apply of a wrong type', apply(path, kind, { immutable: 'x' })],
		['JSON patch of a wrong type', patch(path, [{ op: 'add', path: '/immutable', value: 'x' }], JSON_PATCH)],
		['JSON patch that replaces data', patch(path, [{ op: 'add', path: '/data', value: 'x' }], JSON_PATCH)],
		...copies.map(
			(to): Named => [
				`JSON patch that copies a value to ${to}`,
				patch(path, [{ op: 'copy', from: '/data/password', path: to }], JSON_PATCH),
			],
		),
		['JSON patch test', patch(path, [{ op: 'test', path: '/data/password', value: 'eA==' }], JSON_PATCH)],
	]
}

/** Each as it is, as a dry run, with strict field validation, and both. */
function inAllModes(named: Named[]): Named[] {
	const strict = named.map(
		([what, request]): Named => [
			what,
			request.contentType === MERGE || request.contentType === STRATEGIC
				? { ...request, body: { ...(request.body as object), bogus: 1 } }
				: request,
		],
	)
	const queried = (list: Named[], query: string) =>
		list.map(([what, request]): Named => [`${what}, ${query}`, asked(request, query)])
	return [
		...named,
		...queried(named, 'dryRun=All'),
		...queried(strict, 'fieldValidation=Strict'),
		...queried(strict, 'fieldValidation=Strict&dryRun=All'),
	]
}

/** Attempts to see one Secret. The dry runs of deletion come last; nothing here changes anything even where it is allowed, but for patches. */
export function readsOfSecret({ namespace }: Scene, name: string): Named[] {
	const secrets = `/api/v1/namespaces/${namespace}/secrets`
	const path = `${secrets}/${name}`
	const body = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name } }
	return [
		['get', { method: 'GET', path }],
		['get as a table', { method: 'GET', path: `${path}?includeObject=Object` }],
		['list', { method: 'GET', path: secrets }],
		['list by name', { method: 'GET', path: `${secrets}?fieldSelector=metadata.name%3D${name}` }],
		['watch', { method: 'GET', path: `${secrets}?watch=true&timeoutSeconds=1` }],
		['watch of one', { method: 'GET', path: `/api/v1/watch/namespaces/${namespace}/secrets/${name}?timeoutSeconds=1` }],
		['list of all namespaces', { method: 'GET', path: '/api/v1/secrets' }],
		...inAllModes([...emptyPatches(path), ...undecodablePatches(path, 'Secret')]),
		['create', { method: 'POST', path: secrets, body }],
		['update', { method: 'PUT', path, body }],
		['update of a wrong type', { method: 'PUT', path, body: { ...body, immutable: 'x' } }],
		['update of a wrong version', { method: 'PUT', path, body: { ...body, metadata: { name, resourceVersion: '1' } } }],
		['deletion, dryRun', { method: 'DELETE', path: `${path}?dryRun=All` }],
		[
			'deletion with preconditions, dryRun',
			{ method: 'DELETE', path: `${path}?dryRun=All`, body: deleteOptions({ resourceVersion: '1' }) },
		],
		[
			'deletion that leaves its dependents, dryRun',
			{ method: 'DELETE', path: `${path}?dryRun=All&propagationPolicy=Orphan` },
		],
		['deletion of all, dryRun', { method: 'DELETE', path: `${secrets}?dryRun=All` }],
	]
}

const deleteOptions = (preconditions: object) => ({ apiVersion: 'v1', kind: 'DeleteOptions', preconditions })

/** Attempts to see an event of somebody else. */
export function readsOfEvent({ namespace }: Scene): Named[] {
	const events = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`
	const path = `${events}/theirs`
	return [
		['get of an event', { method: 'GET', path }],
		['list of events', { method: 'GET', path: events }],
		['list of events in core/v1', { method: 'GET', path: `/api/v1/namespaces/${namespace}/events` }],
		...inAllModes([...emptyPatches(path, 'Event'), ['wrong type', patch(path, { note: 1 }, MERGE)]]).map(
			([what, request]): Named => [`event: ${what}`, request],
		),
		['update of an event', { method: 'PUT', path, body: eventOf(namespace, 'theirs') }],
		['deletion of an event', { method: 'DELETE', path: `${path}?dryRun=All` }],
	]
}

/** Attempts to get a token, or to learn of Secrets by asking for one. */
export function tokenRequests({ namespace }: Scene, account: string): Named[] {
	const request = (spec: object): RawRequest => ({
		method: 'POST',
		path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
		body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
	})
	const bound = (kind: string, name: string, uid?: string) =>
		request({ audiences: ['api://AzureADTokenExchange'], boundObjectRef: { apiVersion: 'v1', kind, name, uid } })
	return [
		['token for the API server', request({})],
		['token for Entra', request({ audiences: ['api://AzureADTokenExchange'] })],
		['token for Entra and the API server', request({ audiences: ['api://AzureADTokenExchange', 'kubernetes'] })],
		['token bound to a Secret', bound('Secret', 'foreign')],
		['token bound to a Secret of another uid', bound('Secret', 'foreign', '00000000-0000-4000-8000-000000000000')],
		['token bound to a pod', bound('Pod', 'app')],
	]
}
