import { expect, test } from 'vitest'
import { describeRequest, isSensitive, type Method, permissionFor } from './paths.ts'

const rows: [Method, string, string, string][] = [
	['GET', '/api/v1/namespaces/ns/pods', 'list', 'pods'],
	['GET', '/api/v1/namespaces/ns/pods/p', 'get', 'pods'],
	['PATCH', '/api/v1/namespaces/ns/pods/p/status', 'patch', 'pods/status'],
	['POST', '/api/v1/namespaces/ns/serviceaccounts/sa/token', 'create', 'serviceaccounts/token'],
	['GET', '/api/v1/namespaces/ns', 'get', 'namespaces'],
	['GET', '/api/v1/namespaces', 'list', 'namespaces'],
	['PUT', '/api/v1/namespaces/ns/status', 'update', 'namespaces/status'],
	['GET', '/apis/secrets.purista.dev/v1alpha1/azuresecretbindings', 'list', 'azuresecretbindings'],
	['DELETE', '/apis/coordination.k8s.io/v1/namespaces/ns/leases/l', 'delete', 'leases'],
	['GET', '/version', 'get', 'other'],
]
test.each(rows)('%s %s is %s %s', (method, path, verb, kind) => {
	expect(describeRequest(method, path)).toEqual({ verb, kind })
})

test('a list with watch is a watch', () => {
	expect(describeRequest('GET', '/api/v1/pods', true)).toEqual({ verb: 'watch', kind: 'pods' })
})

test('secrets and tokens are sensitive, their neighbours are not', () => {
	expect(isSensitive({ verb: 'patch', kind: 'secrets' })).toBe(true)
	expect(isSensitive({ verb: 'create', kind: 'serviceaccounts/token' })).toBe(true)
	expect(isSensitive({ verb: 'get', kind: 'serviceaccounts' })).toBe(false)
})

test.each<[Method, string, ReturnType<typeof permissionFor>]>([
	[
		'POST',
		'/api/v1/namespaces/ns/serviceaccounts/sa/token',
		{ verb: 'create', resource: 'serviceaccounts/token', namespace: 'ns', name: 'sa' },
	],
	['POST', '/api/v1/namespaces/ns/secrets', { verb: 'create', resource: 'secrets', namespace: 'ns', name: undefined }],
	['PATCH', '/api/v1/namespaces/ns/secrets/s', { verb: 'patch', resource: 'secrets', namespace: 'ns', name: 's' }],
	['GET', '/api/v1/namespaces/ns', undefined],
	['GET', '/api/v1/pods', undefined],
])('%s %s takes the permission %j', (method, path, permission) => {
	expect(permissionFor(describeRequest(method, path), path)).toEqual(permission)
})
