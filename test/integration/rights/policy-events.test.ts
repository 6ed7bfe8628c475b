// The policy for events, and what RBAC alone refuses where a grant stands.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RawRequest } from '../../kit/raw-client.ts'
import { type Attacked, dryRun, LABEL, metaIn, openAttacked, pathsIn, secretOf } from './attacked.ts'
import { patch, STRATEGIC } from './reads.ts'
import { eventOf } from './scene.ts'

const namespace = `fence-${randomUUID().slice(0, 8)}`
const { secrets, pods, accounts, events, bindings } = pathsIn(namespace)
const { meta, ours } = metaIn(namespace)
const SERIES = { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' }
const THEIRS = (of: string) => eventOf(of, 'theirs', { reportingController: 'example.com/theirs' })
const leaseOf = (home: string, name: string) => ({
	apiVersion: 'coordination.k8s.io/v1',
	kind: 'Lease',
	namespace: home,
	name,
})

let at: Attacked
let before: string[]
beforeAll(async () => {
	at = await openAttacked(namespace)
	before = await at.foreignObjects()
})
afterAll(() => at?.remove())
const refused: Attacked['refused'] = (request, because) => at.refused(request, because)

describe('a grant is not', () => {
	it.each<[string, RawRequest]>([
		['listing Secrets', { method: 'GET', path: secrets }],
		['watching all Secrets', { method: 'GET', path: '/api/v1/secrets?watch=true&timeoutSeconds=1' }],
		['replacing a Secret', { method: 'PUT', path: `${secrets}/own`, body: secretOf(ours('own')) }],
		[
			'deleting all Secrets with our label',
			{ method: 'DELETE', path: `${secrets}?labelSelector=${encodeURIComponent(LABEL)}` },
		],
		[
			'patching a pod itself',
			patch(`${pods}/app`, { spec: { containers: [{ name: 'app', image: 'example.com/evil' }] } }, STRATEGIC),
		],
		[
			'making a pod',
			{
				method: 'POST',
				path: pods,
				body: {
					apiVersion: 'v1',
					kind: 'Pod',
					metadata: meta('evil'),
					spec: { containers: [{ name: 'a', image: 'a' }] },
				},
			},
		],
		['deleting a pod', { method: 'DELETE', path: `${pods}/app` }],
		[
			'evicting a pod',
			{
				method: 'POST',
				path: `${pods}/app/eviction`,
				body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: meta('app') },
			},
		],
		['running a command in a pod', { method: 'POST', path: `${pods}/app/exec?command=id` }],
		[
			'a ServiceAccount of its own',
			{ method: 'POST', path: accounts, body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta('evil') } },
		],
		['changing a binding', patch(`${bindings}/payments`, { metadata: { labels: { evil: 'yes' } } })],
		[
			'taking the policies down',
			{
				method: 'DELETE',
				path: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/azure-secret-binding-secrets',
			},
		],
		[
			'unbinding the policies',
			{
				method: 'DELETE',
				path: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/azure-secret-binding-secrets',
			},
		],
		[
			'widening its own role',
			patch('/apis/rbac.authorization.k8s.io/v1/clusterroles/azure-secret-binding-operator', { rules: [] }),
		],
		[
			"somebody else's lease",
			{ method: 'GET', path: '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler' },
		],
	])('%s', async (_what, request) => {
		// The verb does not exist for it: that is RBAC, before any policy.
		const answer = await at.operator(request)
		expect(answer.status, answer.text.slice(0, 400)).toBe(403)
		expect(answer.text).toMatch(/system:serviceaccount:[^"]+:azure-secret-binding-operator.* cannot /)
	})
})

describe('events', () => {
	it.each<[string, object, RegExp]>([
		[
			"in somebody else's name",
			eventOf(namespace, 'evil', { reportingController: 'kubelet' }),
			/events that it reports itself/,
		],
		[
			'about a node',
			eventOf(namespace, 'evil', { regarding: { apiVersion: 'v1', kind: 'Node', name: 'n', namespace } }),
			/only about resources of secrets.purista.dev/,
		],
		[
			'about a lease of somebody else',
			eventOf(namespace, 'evil', {
				regarding: { ...leaseOf('elsewhere', 'azure-secret-binding-operator'), namespace },
			}),
			/only about resources of secrets.purista.dev and about its own lease/,
		],
	])('are not written %s', (_what, body, because) => refused({ method: 'POST', path: events, body }, because))
	it('are written about its own lease, and about no other one beside it', async () => {
		const { home } = at.profile
		const about = (name: string): RawRequest => ({
			method: 'POST',
			path: `/apis/events.k8s.io/v1/namespaces/${home}/events`,
			body: {
				...eventOf(namespace, `fence-${name}`, { regarding: leaseOf(home, name) }),
				metadata: { namespace: home, name },
			},
		})
		expect((await at.operator(dryRun(about('azure-secret-binding-operator')))).status).toBe(201)
		await refused(about('evil'), /about its own lease/)
	})
	it('of others are not touched', () =>
		refused(
			{ method: 'PUT', path: `${events}/theirs`, body: { ...THEIRS(namespace), series: SERIES } },
			/events that it reports itself/,
		))
	it('of its own are written and counted up', async () => {
		expect((await at.operator({ method: 'POST', path: events, body: eventOf(namespace, 'own') })).status).toBe(201)
		const counted = await at.operator({
			method: 'PUT',
			path: `${events}/own`,
			body: { ...eventOf(namespace, 'own'), series: SERIES },
		})
		expect(counted.status, counted.text).toBe(200)
	})
})

it('through the status of a binding nothing but the status changes', async () => {
	const body = {
		metadata: { labels: { evil: 'yes' }, annotations: { evil: 'yes' }, finalizers: ['example.com/stay'] },
		spec: { suspend: false },
	}
	const answer = await at.operator(dryRun(patch(`${bindings}/payments/status`, body)))
	expect(answer.status, answer.text).toBe(200)
	expect(answer.json).toMatchObject({ spec: { suspend: true } })
	for (const field of ['labels', 'annotations', 'finalizers'])
		expect(answer.json).not.toHaveProperty(`metadata.${field}`)
})

it('after all that, nothing foreign has changed', async () => {
	expect(await at.foreignObjects()).toEqual(before)
})
