import { afterAll, beforeAll, expect, test } from 'vitest'
import { type KubeRequest, type KubeTransport, PATCH } from '../../../operator/src/cluster/transport.ts'
import { KubeError } from '../../../operator/src/ports/kube-error.ts'
import { type Api, openApi } from './api.ts'

let api: Api
beforeAll(async () => {
	api = await openApi()
})
afterAll(() => api?.close())

const failure = async (request: KubeRequest, transport: KubeTransport = api.transport): Promise<KubeError> => {
	const error = await transport.request(request).then(
		() => undefined,
		(reason: unknown) => reason,
	)
	if (error instanceof KubeError) return error
	throw new Error('expected a KubeError', { cause: error })
}
const configMaps = () => `/api/v1/namespaces/${api.namespace}/configmaps`
const secrets = () => `/api/v1/namespaces/${api.namespace}/secrets`

interface ConfigMap {
	metadata: { name: string; resourceVersion: string }
	data: Record<string, string>
}

test('the API server tells absent, present, outdated and invalid apart, and so do we', async () => {
	expect(await failure({ method: 'GET', path: `${configMaps()}/absent` })).toMatchObject({
		kind: 'notFound',
		reason: 'NotFound',
		message: `get ${configMaps()}/absent: configmaps "absent" not found`,
	})
	const body = { metadata: { name: 'one' }, data: { a: '1' } }
	const created = await api.transport.request<ConfigMap>({ method: 'POST', path: configMaps(), body })
	expect((await failure({ method: 'POST', path: configMaps(), body })).kind).toBe('alreadyExists')
	const path = `${configMaps()}/one`
	await api.transport.request({ method: 'PATCH', path, body: { data: { b: '2' } } })
	const { resourceVersion } = created.metadata
	const stale = await failure({ method: 'PATCH', path, body: { metadata: { resourceVersion }, data: { c: '3' } } })
	expect(stale.kind).toBe('conflict')
	expect((await failure({ method: 'PATCH', path, body: { data: { 'not a key': '' } } })).kind).toBe('invalid')
	expect((await api.transport.request<ConfigMap>({ method: 'GET', path })).data).toEqual({ a: '1', b: '2' })
})

test('server-side apply works with its content type', async () => {
	const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data: { a: '1' } }
	const query = { fieldManager: 'test', force: 'true' }
	const request = { method: 'PATCH', path: `${configMaps()}/applied`, query, body, contentType: PATCH.apply } as const
	expect((await api.transport.request<ConfigMap>(request)).data).toEqual({ a: '1' })
})

test('who has no right is told forbidden with the sentence of the API server, who has no token unauthorized', async () => {
	const path = `/api/v1/namespaces/${api.namespace}/serviceaccounts`
	await api.transport.request({ method: 'POST', path, body: { metadata: { name: 'nobody' } } })
	const token = await api.transport.request<{ status: { token: string } }>({
		method: 'POST',
		path: `${path}/nobody/token`,
		body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } },
	})
	const forbidden = await failure({ method: 'GET', path: secrets() }, api.connect({ token: token.status.token }))
	expect(forbidden.kind).toBe('forbidden')
	expect(forbidden.message).toContain('cannot list resource "secrets"')
	expect(forbidden.message).not.toContain(token.status.token)
	expect((await failure({ method: 'GET', path: secrets() }, api.connect({ token: 'x' }))).kind).toBe('unauthorized')
})

test('no refusal of a Secret repeats its values', async () => {
	const canary = 'canary-hunter2'
	const post = (body: object) => failure({ method: 'POST', path: secrets(), body })
	const errors = [
		await post({ metadata: { name: 's' }, data: { k: canary } }),
		await post({ metadata: { name: 's' }, data: { k: { deep: canary } } }),
		await post({ metadata: { name: 's' }, stringData: { [`${canary} is no key`]: canary }, type: canary.repeat(99) }),
		await post({ metadata: { name: 's' }, stringData: { k: canary.repeat(90_000) } }),
		await post({
			metadata: { name: 's' },
			type: 'kubernetes.io/dockerconfigjson',
			stringData: { '.dockerconfigjson': canary },
		}),
	]
	for (const error of errors) {
		expect(['invalid', 'tooLarge']).toContain(error.kind)
		// Key names are ours to print; the third error may name its key, but not the type or the value.
		expect(error.message.replaceAll(`${canary} is no key`, '')).not.toContain(canary)
	}
})
