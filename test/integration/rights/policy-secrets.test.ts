// The policy for Secrets, where a grant lets requests through to it. Every attack is also made as a dry run.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SECRET_TYPES } from '../../../operator/src/api/constants.ts'
import { type Attacked, dryRun, LABEL, metaIn, openAttacked, owner, pathsIn, secretOf } from './attacked.ts'
import { emptyPatches, patch } from './reads.ts'

const namespace = `fence-${randomUUID().slice(0, 8)}`
const { secrets } = pathsIn(namespace)
const { meta, ours } = metaIn(namespace)

let at: Attacked
let before: string[]
beforeAll(async () => {
	at = await openAttacked(namespace)
	before = await at.foreignObjects()
})
afterAll(() => at?.remove())
const refused: Attacked['refused'] = (request, because) => at.refused(request, because)

describe('Secrets', () => {
	const NOT_OURS = /this Secret is not the operator's/
	describe.each(['foreign', 'labelled-token', 'labelled-release'])('%s', (name) => {
		const because = name === 'foreign' ? NOT_OURS : /only Secrets of type/
		it.each(emptyPatches(`${secrets}/${name}`))('is not read by an %s', (_type, request) => refused(request, because))
	})
	it('that are foreign are not deleted', () => refused({ method: 'DELETE', path: `${secrets}/foreign` }, NOT_OURS))
	it('that are foreign are not made ours', () =>
		refused(patch(`${secrets}/foreign`, { metadata: { labels: { [LABEL]: 'payments' } } }), NOT_OURS))
	it('that are foreign are not overwritten by a create', async () => {
		const answer = await at.operator({ method: 'POST', path: secrets, body: secretOf(ours('foreign')) })
		expect(answer.status).toBe(409)
		expect(answer.text).not.toContain(Buffer.from(at.canary).toString('base64'))
	})
	it.each<[string, object | undefined]>([
		['taken off', { [LABEL]: null }],
		['emptied', { [LABEL]: '' }],
	])('of ours do not have their label %s', (_what, labels) =>
		refused(patch(`${secrets}/own`, { metadata: { labels } }), /only Secrets with the label/),
	)
	it('of ours are not handed to another binding', () =>
		refused(patch(`${secrets}/own`, { metadata: { labels: { [LABEL]: 'other' } } }), /may not change the label/))
	it.each<[string, object, RegExp]>([
		['without the label', secretOf(meta('new')), /only Secrets with the label/],
		['with an empty label', secretOf(meta('new', { labels: { [LABEL]: '' } })), /only Secrets with the label/],
		[
			'that the API server would fill with a token',
			secretOf(ours('new', { annotations: { 'kubernetes.io/service-account.name': 'workload' } }), {
				type: 'kubernetes.io/service-account-token',
			}),
			/only Secrets of type/,
		],
		[
			'that lets a machine join',
			secretOf(ours('new'), { type: 'bootstrap.kubernetes.io/token' }),
			/only Secrets of type/,
		],
		['of a type that nobody knows', secretOf(ours('new'), { type: 'example.com/any' }), /only Secrets of type/],
		['that cannot change', secretOf(ours('new'), { immutable: true }), /may not make Secrets immutable/],
		['with a finalizer', secretOf(ours('new', { finalizers: ['example.com/stay'] })), /may not change finalizers/],
		[
			'owned by something else',
			secretOf(ours('new', { ownerReferences: [owner({ kind: 'ConfigMap', apiVersion: 'v1' })] })),
			/plain owner reference/,
		],
		[
			'owned by another binding',
			secretOf(ours('new', { ownerReferences: [owner({ name: 'other' })] })),
			/plain owner reference/,
		],
		[
			'that holds up its owner',
			secretOf(ours('new', { ownerReferences: [owner({ blockOwnerDeletion: true })] })),
			/plain owner reference/,
		],
		[
			'that claims to be controlled',
			secretOf(ours('new', { ownerReferences: [owner({ controller: true })] })),
			/plain owner reference/,
		],
	])('are not created %s', (_what, body, because) => refused({ method: 'POST', path: secrets, body }, because))
	it.each<[string, object, RegExp]>([
		['made immutable', { immutable: true }, /may not make Secrets immutable/],
		['given a finalizer', { metadata: { finalizers: ['example.com/stay'] } }, /may not change finalizers/],
		[
			'given a foreign owner',
			{ metadata: { ownerReferences: [owner({ kind: 'ConfigMap', apiVersion: 'v1' })] } },
			/plain owner reference/,
		],
	])('of ours are not %s', (_what, body, because) => refused(patch(`${secrets}/own`, body), because))
	it.each<[string, object, RegExp]>([
		['finalizer', { metadata: { finalizers: null } }, /may not change finalizers/],
		['owner', { metadata: { ownerReferences: null } }, /may not remove owner references/],
	])('do not lose the %s that somebody else gave them', (_what, body, because) =>
		refused(patch(`${secrets}/guarded`, body), because),
	)

	it('of ours are created, read back, changed with a version, and deleted', async () => {
		const own = `${secrets}/made`
		const made = await at.operator({
			method: 'POST',
			path: secrets,
			body: secretOf(ours('made', { ownerReferences: [owner({ uid: at.bindingUid })] })),
		})
		expect(made.status, made.text).toBe(201)
		expect((await at.operator({ method: 'POST', path: secrets, body: secretOf(ours('made')) })).status).toBe(409)
		const read = await at.operator({ method: 'GET', path: own })
		expect(read.json).toMatchObject({ data: { a: 'MQ==' }, metadata: { labels: { [LABEL]: 'payments' } } })
		const { resourceVersion } = read.json['metadata'] as { resourceVersion: string }
		const changed = await at.operator(patch(own, { metadata: { resourceVersion }, data: { a: null, b: 'Mg==' } }))
		expect(changed.json).toMatchObject({ data: { b: 'Mg==' } })
		expect((await at.operator(patch(own, { metadata: { resourceVersion }, data: { c: 'Mw==' } }))).status).toBe(409)
		expect((await at.operator(patch(own, { metadata: { ownerReferences: null } }))).status).toBe(200)
		expect((await at.operator({ method: 'DELETE', path: own })).status).toBe(200)
	})
	it.each(Object.keys(SECRET_TYPES))('of type %s can be ours', async (type) => {
		const stringData = {
			...{
				'tls.crt': '',
				'tls.key': '',
				username: 'u',
				password: 'p',
				'ssh-privatekey': 'k',
				'.dockerconfigjson': '{}',
			},
		}
		const answer = await at.operator(
			dryRun({ method: 'POST', path: secrets, body: secretOf(ours('typed'), { type, stringData }) }),
		)
		expect(answer.status, answer.text).toBe(201)
	})
})

it('after all that, nothing foreign has changed', async () => {
	expect(await at.foreignObjects()).toEqual(before)
})
