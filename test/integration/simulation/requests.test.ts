// One table of requests, asked of the simulated API server and of a real one: so that simulated histories do not only repeat
// what we believe.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SecretObject } from '../../../operator/src/destinations/secret/secret-object.ts'
import { isKubeError } from '../../../operator/src/ports/kube-error.ts'
import { ApiRefusal, fieldsManagedBy, SimulatedSecrets } from '../../simulation/api-server.ts'
import { openStage, type Stage } from '../operator/stage.ts'

type Body = Record<string, unknown>
/** A request, when what came before it is known. `last` is the Secret as it was answered last. */
type Request =
	| { does: 'create'; body: Body; by: string }
	| { does: 'patch'; body: (last: SecretObject, first: SecretObject) => Body; by: string }
	| { does: 'delete'; only?: (last: SecretObject, first: SecretObject) => { uid?: string; resourceVersion?: string } }

interface Server {
	create(body: Body, by: string): Promise<SecretObject>
	patch(name: string, body: Body, by: string): Promise<SecretObject>
	remove(name: string, only: { uid?: string; resourceVersion?: string }): Promise<void>
	get(name: string): Promise<SecretObject | undefined>
}

const b64 = (text: string) => Buffer.from(text).toString('base64')
const create = (more: Body = {}, by = 'operator'): Request => ({
	does: 'create',
	by,
	body: { type: 'Opaque', data: { a: b64('1'), b: b64('2') }, ...more },
})
const patch = (body: Body | ((last: SecretObject, first: SecretObject) => Body), by = 'operator'): Request => ({
	does: 'patch',
	by,
	body: typeof body === 'function' ? body : () => body,
})
const at = ({ metadata: { resourceVersion } }: SecretObject) => ({ resourceVersion })
const TLS = { type: 'kubernetes.io/tls', data: { 'tls.crt': b64('c'), 'tls.key': b64('k') } }
const docker = (text: string) => ({
	type: 'kubernetes.io/dockerconfigjson',
	data: { '.dockerconfigjson': b64(text), a: b64('1') },
})
const SSH = { type: 'kubernetes.io/ssh-auth', data: { 'ssh-privatekey': b64('k') } }
const BASIC = { type: 'kubernetes.io/basic-auth', data: { username: b64('u'), password: b64('p') } }
// 1 MiB is the limit for all values together.
const HALF = b64('x'.repeat(524_288))

const rows: readonly [string, ...Request[]][] = [
	['a create takes all data', create()],
	['and is refused when there is one', create(), create({}, 'somebody')],
	['text is kept as bytes', create({ stringData: { c: 'text' } })],
	['labels and annotations', create({ metadata: { labels: { 'x.test/a': '1' }, annotations: { 'x.test/b': '2' } } })],
	['a patch changes what it names', create(), patch({ data: { a: b64('9') } })],
	['null takes a key away', create(), patch({ data: { a: null } })],
	['of what is not there as well', create(), patch({ data: { z: null } })],
	['the last key goes', create(), patch({ data: { a: null, b: null } })],
	['the present resourceVersion is taken', create(), patch((last) => ({ metadata: at(last), data: { a: b64('9') } }))],
	[
		'one of before is a conflict',
		create(),
		patch({ data: { a: b64('9') } }),
		patch((_, first) => ({ metadata: at(first), data: { a: b64('8') } })),
	],
	[
		'also when only a label came in between',
		create(),
		patch({ metadata: { labels: { x: '1' } } }, 'somebody'),
		patch((_, first) => ({ metadata: at(first), data: { a: b64('8') } })),
	],
	[
		'another uid is a conflict',
		create(),
		patch({ metadata: { uid: '00000000-0000-0000-0000-000000000000' }, data: { a: b64('8') } }),
	],
	['what is not there cannot be patched', create(), { does: 'delete' }, patch({ data: { a: b64('9') } })],
	['an equal value writes nothing', create(), patch({ data: { a: b64('1') } })],
	['an empty patch writes nothing', create(), patch({})],
	['nor does an equal value by somebody else', create(), patch({ data: { a: b64('1') } }, 'somebody')],
	['a change moves the field to who made it', create(), patch({ data: { a: b64('9') } }, 'somebody')],
	['and back', create(), patch({ data: { a: b64('9') } }, 'somebody'), patch({ data: { a: b64('1') } })],
	['all fields of one manager', create(), patch({ data: { a: b64('9'), b: b64('9') } }, 'somebody')],
	[
		'a key that somebody took away and we wrote again',
		create(),
		patch({ data: { a: null } }, 'somebody'),
		patch({ data: { a: b64('1') } }),
	],
	[
		'a label of somebody',
		create(),
		patch({ metadata: { labels: { x: '1' } } }, 'somebody'),
		patch({ metadata: { labels: { x: null } } }),
	],
	['the type does not change', create(), patch({ type: 'kubernetes.io/tls' })],
	['a key that the type needs does not go', create(TLS), patch({ data: { 'tls.key': null } })],
	['nor is it made without', create({ ...TLS, data: { 'tls.crt': b64('c') } })],
	['others of it go', create({ ...TLS, data: { ...TLS.data, ca: b64('x') } }), patch({ data: { ca: null } })],
	['an object where the type needs JSON', create(docker('{"auths":{}}'))],
	['null is taken there as well', create(docker('null'))],
	['an array is not', create(docker('[]'))],
	['nor a text', create(docker('"text"'))],
	['nor what is no JSON', create(docker('text'))],
	['nor half of one', create(docker('{"auths":'))],
	['nor nothing', create(docker(''))],
	['nor a Secret without it', create({ ...docker(''), data: { a: b64('1') } })],
	['another object', create(docker('{}')), patch({ data: { '.dockerconfigjson': b64('{"auths":{}}') } })],
	[
		'a patch of what is no JSON changes nothing of the rest either',
		create(docker('{}')),
		patch({ data: { '.dockerconfigjson': b64('text'), a: b64('9') } }),
	],
	['that key does not go', create(docker('{}')), patch({ data: { '.dockerconfigjson': null } })],
	['the rest changes', create(docker('{}')), patch({ data: { a: b64('9') } })],
	['a key that must not be empty', create(SSH), patch({ data: { 'ssh-privatekey': '' } })],
	['nor away', create(SSH), patch({ data: { 'ssh-privatekey': null } })],
	['and is made with something in it', create({ ...SSH, data: { 'ssh-privatekey': '' } })],
	['of two keys one is enough', create(BASIC), patch({ data: { password: null } })],
	['and none is not', create(BASIC), patch({ data: { password: null, username: null } })],
	['one that is empty is enough', create({ ...BASIC, data: { username: '' } })],
	['immutable keeps its data', create({ immutable: true }), patch({ data: { a: b64('9') } })],
	['and stays so', create({ immutable: true }), patch({ immutable: false })],
	['its labels change', create({ immutable: true }), patch({ metadata: { labels: { x: '1' } } })],
	['too much at once', create({ data: { a: HALF, b: HALF, c: b64('1') } })],
	['as much as it takes', create({ data: { a: HALF, b: HALF } })],
	['too much by a patch', create({ data: { a: HALF, b: HALF } }), patch({ data: { c: b64('1') } })],
	['a key that is no name of a file', create({ data: { 'a/b': b64('1') } })],
	['a key of dots', create({ data: { '..a': b64('1') } })],
	['a delete', create(), { does: 'delete' }],
	['of this very one', create(), { does: 'delete', only: ({ metadata: { uid } }) => ({ uid }) }],
	['of another uid', create(), { does: 'delete', only: () => ({ uid: '00000000-0000-0000-0000-000000000000' }) }],
	['in this very state', create(), { does: 'delete', only: (last) => at(last) }],
	[
		'in a state of before',
		create(),
		patch({ data: { a: b64('9') } }),
		{ does: 'delete', only: (_, first) => at(first) },
	],
	['twice', create(), { does: 'delete' }, { does: 'delete' }],
	['anew under the same name', create(), { does: 'delete' }, create({ data: { c: b64('3') } })],
]

/** Asks all of them. @returns what can be compared of the answers */
async function asked(server: Server, name: string, requests: readonly Request[]): Promise<unknown[]> {
	let [first, last]: (SecretObject | undefined)[] = []
	const uids = new Map<string, number>()
	const answers: unknown[] = []
	for (const request of requests) {
		const before = last
		try {
			if (request.does === 'create')
				last = await server.create(
					{ ...request.body, metadata: { ...(request.body['metadata'] as Body), name } },
					request.by,
				)
			else if (!first || !last) throw new Error('a row begins with a create')
			else if (request.does === 'patch') last = await server.patch(name, request.body(last, first), request.by)
			else await server.remove(name, request.only?.(last, first) ?? {})
			first ??= last
			answers.push('ok')
		} catch (error) {
			if (error instanceof ApiRefusal) answers.push({ status: error.status, reason: error.reason })
			else if (isKubeError(error)) answers.push({ status: error.status, reason: error.reason })
			else throw error
		}
		const secret = await server.get(name)
		if (secret && !uids.has(secret.metadata.uid)) uids.set(secret.metadata.uid, uids.size)
		answers.push(secret ? viewOf(secret, before, uids) : 'none')
	}
	return answers
}

function viewOf(secret: SecretObject, before: SecretObject | undefined, uids: ReadonlyMap<string, number>): unknown {
	const { metadata, type, immutable, data = {} } = secret
	const { labels = {}, annotations = {} } = metadata
	const sizes = Object.entries(data).map(([key, value]): [string, string | number] => [
		key,
		value.length > 100 ? value.length : value,
	])
	return {
		which: uids.get(metadata.uid),
		isWritten: before?.metadata.resourceVersion !== metadata.resourceVersion,
		type,
		immutable,
		data: Object.fromEntries(sizes),
		labels,
		annotations,
		managed: Object.fromEntries(fieldsManagedBy(secret)),
	}
}

function simulated(): Server {
	const secrets = new SimulatedSecrets(() => Date.now())
	return {
		create: async (body, by) => secrets.create(body, by),
		patch: async (name, body, by) => secrets.patch(name, body, by),
		remove: async (name, only) => secrets.remove(name, only),
		get: async (name) => secrets.get(name),
	}
}

describe('the simulated API server answers as a real one', () => {
	let stage: Stage
	beforeAll(async () => {
		stage = await openStage({ name: 'requests' })
	})
	afterAll(() => stage?.close())

	const real = (): Server => {
		const path = `/api/v1/namespaces/${stage.namespace}/secrets`
		const query = (fieldManager: string) => ({ fieldManager })
		return {
			create: (body, by) => stage.api.request<SecretObject>({ method: 'POST', path, query: query(by), body }),
			patch: (name, body, by) =>
				stage.api.request<SecretObject>({ method: 'PATCH', path: `${path}/${name}`, query: query(by), body }),
			remove: async (name, preconditions) => {
				const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions }
				await stage.api.request({ method: 'DELETE', path: `${path}/${name}`, body })
			},
			async get(name) {
				try {
					return await stage.api.request<SecretObject>({ method: 'GET', path: `${path}/${name}` })
				} catch (error) {
					if (isKubeError(error, 'notFound')) return undefined
					throw error
				}
			},
		}
	}

	it.each(rows.map(([what, ...requests], i) => ({ what, requests, name: `row-${i}` })))(
		'$what',
		async ({ requests, name }) => {
			expect(await asked(simulated(), name, requests)).toEqual(await asked(real(), name, requests))
		},
	)
})
