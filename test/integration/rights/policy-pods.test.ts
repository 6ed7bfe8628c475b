// The policies for tokens and pods, where a grant lets requests through to them.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AUDIENCES } from '../../../operator/src/api/constants.ts'
import { getObject } from '../../kit/kubectl.ts'
import { type RawRequest, rawClient } from '../../kit/raw-client.ts'
import { until } from '../../kit/until.ts'
import { type Attacked, dryRun, openAttacked, owner, pathsIn, REFRESHED } from './attacked.ts'
import { ACCOUNT } from './profile.ts'
import { APPLY, JSON_PATCH, MERGE, patch, STRATEGIC } from './reads.ts'

const namespace = `fence-${randomUUID().slice(0, 8)}`
const { accounts, pods } = pathsIn(namespace)

let at: Attacked
let before: string[]
beforeAll(async () => {
	at = await openAttacked(namespace)
	before = await at.foreignObjects()
})
afterAll(() => at?.remove())
const refused: Attacked['refused'] = (request, because) => at.refused(request, because)

const tokenFor = (account: string, spec: object): RawRequest => ({
	method: 'POST',
	path: `${accounts}/${account}/token`,
	body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
})

describe('tokens', () => {
	const ONLY = /only for tokens with exactly one audience/
	it.each<[string, object]>([
		['without an audience, which means the API server', {}],
		['with no audiences', { audiences: [] }],
		['for the API server', { audiences: ['https://kubernetes.default.svc.cluster.local'] }],
		['for Vault', { audiences: ['vault'] }],
		['for Entra and the API server', { audiences: [AUDIENCES[0], 'https://kubernetes.default.svc.cluster.local'] }],
		['for Entra twice', { audiences: [AUDIENCES[0], AUDIENCES[0]] }],
	])('%s are refused', (_what, spec) => refused(tokenFor('workload', spec), ONLY))
	it('that live longer than an hour are refused', () =>
		refused(tokenFor('workload', { audiences: [AUDIENCES[0]], expirationSeconds: 3601 }), /at most an hour/))
	it('for its own ServiceAccount are refused just so: this is how the operator asks whether the policies stand', async () => {
		const path = `/api/v1/namespaces/${at.profile.home}/serviceaccounts/${ACCOUNT}/token`
		await refused({ ...tokenFor('workload', { audiences: ['azure-secret-binding-fence'] }), path }, ONLY)
	})
	it.each(AUDIENCES)('for %s are given, and the API server does not take them', async (audience) => {
		const answer = await at.operator(tokenFor('workload', { audiences: [audience], expirationSeconds: 600 }))
		expect(answer.status).toBe(201)
		const { token } = answer.json['status'] as { token: string }
		expect((await rawClient(at.profile.target, token)({ method: 'GET', path: '/api' })).status).toBe(401)
	})
})

describe('pods, through their status,', () => {
	const status = `${pods}/app/status`
	const METADATA = /may not change labels, finalizers or owners/
	const ANNOTATION = /no annotation of pods but/
	const VALUE = /holds a resourceVersion/
	it.each<[string, object, RegExp]>([
		['phase', { status: { phase: 'Succeeded' } }, /may not change the status/],
		['readiness', { status: { conditions: [{ type: 'Ready', status: 'True' }] } }, /may not change the status/],
		['addresses', { status: { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] } }, /may not change the status/],
		[
			'status beside a pod refresh',
			{ metadata: { annotations: { [REFRESHED]: '1' } }, status: { phase: 'Failed' } },
			/may not change the status/,
		],
		['labels', { metadata: { labels: { app: 'other' } } }, METADATA],
		['new labels', { metadata: { labels: { evil: 'yes' } } }, METADATA],
		['finalizers', { metadata: { finalizers: ['example.com/stay'] } }, METADATA],
		['other annotations', { metadata: { annotations: { 'example.com/theirs': 'no' } } }, ANNOTATION],
		['new annotations', { metadata: { annotations: { 'example.com/new': 'yes' } } }, ANNOTATION],
		['annotations that go away', { metadata: { annotations: { 'example.com/theirs': null } } }, ANNOTATION],
		[
			'annotations beside a pod refresh',
			{ metadata: { annotations: { [REFRESHED]: '1', 'example.com/new': 'yes' } } },
			ANNOTATION,
		],
		['a pod refresh used as a store', { metadata: { annotations: { [REFRESHED]: 'x'.repeat(65) } } }, VALUE],
		['a pod refresh of other characters', { metadata: { annotations: { [REFRESHED]: '{"a":1}' } } }, VALUE],
	])('do not change: %s', (_what, body, because) => refused(patch(status, body, MERGE), because))
	it('do not change by a JSON patch or server-side apply either', async () => {
		await refused(patch(status, [{ op: 'add', path: '/metadata/labels/evil', value: 'yes' }], JSON_PATCH), METADATA)
		const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'app', labels: { evil: 'yes' } } }
		await refused(patch(`${status}?fieldManager=thief&force=true`, pod, APPLY), METADATA)
	})
	it('do not change their spec or owners: the API server drops these', async () => {
		const body = {
			metadata: { ownerReferences: [owner({})] },
			spec: { containers: [{ name: 'app', image: 'example.com/evil' }], activeDeadlineSeconds: 1 },
		}
		const answer = await at.operator(dryRun(patch(status, body, STRATEGIC)))
		expect(answer.status, answer.text).toBe(200)
		expect(answer.json).toMatchObject({ spec: { containers: [{ image: 'example.com/none' }] } })
		expect(answer.json).not.toHaveProperty('metadata.ownerReferences')
		expect(answer.json).not.toHaveProperty('spec.activeDeadlineSeconds')
	})
})

it('after all that, nothing foreign has changed', async () => {
	expect(await at.foreignObjects()).toEqual(before)
})

it('the pod refresh, which has to work, works', async () => {
	for (const value of ['1234', '1235']) {
		const answer = await at.operator(patch(`${pods}/app/status`, { metadata: { annotations: { [REFRESHED]: value } } }))
		expect(answer.status, answer.text).toBe(200)
	}
	const pod = await until('the annotation', () =>
		getObject<{ metadata: { annotations: object } }>(at.profile.target, ['-n', namespace, 'pod', 'app']),
	)
	expect(pod.metadata.annotations).toMatchObject({ [REFRESHED]: '1235', 'example.com/theirs': 'yes' })
})
