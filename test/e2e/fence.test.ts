// The permissions of the operator, attacked by a thief of its token. Two walls: RBAC decides which verbs exist, the admission
// policies decide on which objects. Every attack is also made as a dry run, which answers like the real one and leaves no trace.
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { AUDIENCES, SECRET_TYPES } from '../../operator/src/api/constants.ts'
import { applyObjects, getObject, kubectl } from '../kit/kubectl.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'
import { type RawAnswer, type RawClient, type RawRequest, rawClient } from '../kit/raw-client.ts'

const LABEL = 'secrets.purista.dev/binding'
const NUDGE = 'secrets.purista.dev/refreshed'
const MERGE = 'application/merge-patch+json'
const JSON_PATCH = 'application/json-patch+json'
const STRATEGIC = 'application/strategic-merge-patch+json'
const APPLY = 'application/apply-patch+yaml'
const namespace = `fence-${randomUUID().slice(0, 8)}`
const secrets = `/api/v1/namespaces/${namespace}/secrets`
const pods = `/api/v1/namespaces/${namespace}/pods`
const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`
const events = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`
const bindings = `/apis/secrets.purista.dev/v1alpha1/namespaces/${namespace}/azuresecretbindings`

let world: World
let operator: RawClient
/** A value that only foreign Secrets hold. */
let canary: string

const meta = (name: string, more: object = {}) => ({ namespace, name, ...more })
const ours = (name: string, more: object = {}) => meta(name, { labels: { [LABEL]: 'payments' }, ...more })
const secretOf = (metadata: object, more: object = {}) => ({
	apiVersion: 'v1',
	kind: 'Secret',
	metadata,
	type: 'Opaque',
	stringData: { a: '1' },
	...more,
})
const patch = (path: string, body: unknown, contentType = MERGE): RawRequest => ({
	method: 'PATCH',
	path,
	body,
	contentType,
})
const tokenFor = (account: string, spec: object): RawRequest => ({
	method: 'POST',
	path: `${accounts}/${account}/token`,
	body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
})
const eventOf = (name: string, more: object = {}) => ({
	apiVersion: 'events.k8s.io/v1',
	kind: 'Event',
	metadata: { namespace, name },
	eventTime: '2026-01-01T00:00:00.000000Z',
	reportingController: 'secrets.purista.dev/operator',
	reportingInstance: 'test',
	action: 'Look',
	reason: 'Test',
	note: 'a test',
	type: 'Normal',
	regarding: { apiVersion: 'secrets.purista.dev/v1alpha1', kind: 'AzureSecretBinding', namespace, name: 'payments' },
	...more,
})
const leaseOf = (name: string) => ({
	apiVersion: 'coordination.k8s.io/v1',
	kind: 'Lease',
	namespace: 'azure-secret-binding-system',
	name,
})
const dryRun = (request: RawRequest): RawRequest => ({
	...request,
	path: `${request.path}${request.path.includes('?') ? '&' : '?'}dryRun=All`,
})

/** All four ways to PATCH nothing, which answer with the whole object to whoever may. */
const emptyPatches = (path: string): Array<[string, RawRequest]> => [
	['merge', patch(path, {}, MERGE)],
	['JSON', patch(path, [], JSON_PATCH)],
	['strategic merge', patch(path, {}, STRATEGIC)],
	[
		'server-side apply',
		patch(
			`${path}?fieldManager=thief&force=true`,
			{ apiVersion: 'v1', kind: 'Secret', metadata: { name: path.slice(path.lastIndexOf('/') + 1) } },
			APPLY,
		),
	],
]

function expectRefused(answer: RawAnswer, because: RegExp): void {
	const shown = `${answer.status} ${answer.text.slice(0, 600)}`
	expect(answer.status, shown).toBe(403)
	expect(String(answer.json['message']), shown).toMatch(because)
	expect(answer.text).not.toContain(canary)
	expect(answer.text).not.toContain(Buffer.from(canary).toString('base64'))
}

/** Refused as a dry run and for real. */
async function refused(request: RawRequest, because: RegExp): Promise<void> {
	expectRefused(await operator(dryRun(request)), because)
	expectRefused(await operator(request), because)
}

/** Uid, version and content of everything here that is not the operator's. */
const foreignObjects = async () => {
	const list = await getObject<{
		items: Array<{ kind: string; metadata: { name: string; uid: string; resourceVersion: string } }>
	}>(world.target, ['-n', namespace, 'secrets,pods,serviceaccounts,events.v1.events.k8s.io', '-l', 'foreign=yes'])
	return list.items
		.map(({ kind, metadata }) => `${kind}/${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`)
		.toSorted()
}
let before: string[] | undefined
let bindingUid: string
const uidOf = async (object: string) =>
	(await getObject<{ metadata: { uid: string } }>(world.target, ['-n', namespace, object])).metadata.uid

beforeAll(async () => {
	world = await connectWorld()
	canary = world.canary('fence')
	const foreign = { foreign: 'yes' }
	await applyObjects(world.target, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }])
	await applyObjects(world.target, [
		{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta('workload', { labels: foreign }) },
		secretOf(meta('foreign', { labels: foreign }), { stringData: { password: canary } }),
		// Labelled by somebody's mistake: the type alone has to save them.
		secretOf(
			meta('labelled-token', {
				labels: { ...foreign, [LABEL]: 'payments' },
				annotations: { 'kubernetes.io/service-account.name': 'workload' },
			}),
			{
				type: 'kubernetes.io/service-account-token',
				stringData: { extra: canary },
			},
		),
		secretOf(meta('labelled-release', { labels: { ...foreign, [LABEL]: 'payments' } }), {
			type: 'helm.sh/release.v1',
			stringData: { release: canary },
		}),
		secretOf(ours('own')),
		{
			apiVersion: 'v1',
			kind: 'Pod',
			metadata: meta('app', { labels: { ...foreign, app: 'app' }, annotations: { 'example.com/theirs': 'yes' } }),
			spec: {
				// Nowhere to run: nobody but this test writes to it.
				nodeSelector: { 'example.com/nowhere': 'true' },
				containers: [{ name: 'app', image: 'example.com/none' }],
				terminationGracePeriodSeconds: 0,
			},
		},
		{
			apiVersion: 'secrets.purista.dev/v1alpha1',
			kind: 'AzureSecretBinding',
			metadata: meta('payments'),
			spec: SUSPENDED,
		},
		{ apiVersion: 'v1', kind: 'ConfigMap', metadata: meta('owner') },
		eventOf('theirs', { reportingController: 'example.com/theirs', metadata: meta('theirs', { labels: foreign }) }),
	])
	// Real uids: the garbage collector deletes what names an owner that does not exist.
	bindingUid = await uidOf('asb/payments')
	const owners = [owner({ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: await uidOf('configmap/owner') })]
	await applyObjects(world.target, [
		secretOf(ours('guarded', { finalizers: ['example.com/keep'], ownerReferences: owners })),
	])
	// The scheduler and the token controller write once; after that only attackers would.
	await kubectl(world.target, [
		'-n',
		namespace,
		'wait',
		'pod/app',
		'--for=condition=PodScheduled=False',
		'--timeout=60s',
	])
	await kubectl(world.target, [
		'-n',
		namespace,
		'wait',
		'secret/labelled-token',
		'--for=jsonpath={.data.token}',
		'--timeout=60s',
	])
	const token = await kubectl(world.target, [
		...['-n', world.operator.namespace, 'create', 'token', world.operator.serviceAccount, '--duration=1h'],
	])
	operator = rawClient(world.target, token.trim())
	before = await foreignObjects()
})
afterAll(async () => {
	const patched = ['secret', 'guarded', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']
	if (before) await kubectl(world.target, ['-n', namespace, 'patch', ...patched])
	await kubectl(world.target, ['delete', 'namespace', namespace, '--wait=false', '--ignore-not-found'])
})

/** A valid binding that no operator acts upon. */
const SUSPENDED = {
	vault: { url: 'https://fence.vault.azure.net' },
	identity: { serviceAccountName: 'workload' },
	secrets: [{ name: 'a' }],
	delivery: { type: 'Secret', secret: { name: 'nothing' } },
	suspend: true,
}
const owner = (more: object) => ({
	apiVersion: 'secrets.purista.dev/v1alpha1',
	kind: 'AzureSecretBinding',
	name: 'payments',
	uid: '00000000-0000-4000-8000-000000000000',
	...more,
})

describe('what the operator may do', () => {
	it('is this list, and nothing else', async () => {
		const rules = async (where: string) => {
			const { status, json } = await operator({
				method: 'POST',
				path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
				body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace: where } },
			})
			expect(status).toBe(201)
			return json['status'] as {
				resourceRules: object[]
				nonResourceRules: Array<{ nonResourceURLs: string[] }>
				incomplete: boolean
			}
		}
		const rule = (group: string, resources: string[], verbs: string[], more: object = {}) => ({
			apiGroups: [group],
			resources,
			verbs,
			...more,
		})
		const byText = (list: object[]) => list.map((each) => JSON.stringify(each, Object.keys(each).toSorted())).toSorted()
		const everywhere = [
			rule('secrets.purista.dev', ['azuresecretbindings'], ['get', 'list', 'watch']),
			rule('secrets.purista.dev', ['azuresecretbindings/status'], ['patch']),
			rule('', ['serviceaccounts'], ['get']),
			rule('', ['serviceaccounts/token'], ['create']),
			rule('', ['secrets'], ['create', 'patch', 'delete']),
			rule('', ['pods'], ['list']),
			rule('', ['pods/status'], ['patch']),
			rule('events.k8s.io', ['events'], ['create', 'patch']),
			// What every user has: asking what oneself may and who oneself is.
			rule('authorization.k8s.io', ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
			rule('authentication.k8s.io', ['selfsubjectreviews'], ['create']),
		]
		const lease = [
			rule('coordination.k8s.io', ['leases'], ['get', 'update'], { resourceNames: ['azure-secret-binding-operator'] }),
			rule('coordination.k8s.io', ['leases'], ['create']),
			rule('events.k8s.io', ['events'], ['create', 'patch']),
		]
		const elsewhere = await rules(namespace)
		expect(elsewhere.incomplete).toBe(false)
		expect(byText(elsewhere.resourceRules)).toEqual(byText(everywhere))
		expect(byText((await rules(world.operator.namespace)).resourceRules)).toEqual(byText([...everywhere, ...lease]))
		// Discovery, health and the issuer's keys, as every ServiceAccount has.
		expect(
			[
				...new Set(
					elsewhere.nonResourceRules.flatMap((each) => each.nonResourceURLs.map((url) => url.replace(/\/$/, ''))),
				),
			].toSorted(),
		).toEqual(
			[
				...['/.well-known/openid-configuration', '/openid/v1/jwks', '/healthz', '/livez', '/readyz', '/version'],
				...['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'],
			].toSorted(),
		)
	})

	it.each<[string, RawRequest]>([
		['reading a Secret', { method: 'GET', path: `${secrets}/own` }],
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
			'taking the fence down',
			{
				method: 'DELETE',
				path: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/azure-secret-binding-secrets',
			},
		],
		[
			'unbinding the fence',
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
	])('is not %s', async (_what, request) => {
		// The verb does not exist for it: that is RBAC, before any policy.
		const answer = await operator(request)
		expect(answer.status, answer.text.slice(0, 400)).toBe(403)
		expect(answer.text).toMatch(
			/system:serviceaccount:azure-secret-binding-system:azure-secret-binding-operator.* cannot /,
		)
	})
})

describe('Secrets', () => {
	const NOT_OURS = /this Secret is not the operator's/
	describe.each(['foreign', 'labelled-token', 'labelled-release'])('%s', (name) => {
		const because = name === 'foreign' ? NOT_OURS : /only Secrets of type/
		it.each(emptyPatches(`${secrets}/${name}`))('is not read by an empty %s patch', (_type, request) =>
			refused(request, because),
		)
	})
	it('that are foreign are not deleted', () => refused({ method: 'DELETE', path: `${secrets}/foreign` }, NOT_OURS))
	it('that are foreign are not made ours', () =>
		refused(patch(`${secrets}/foreign`, { metadata: { labels: { [LABEL]: 'payments' } } }), NOT_OURS))
	it('that are foreign are not overwritten by a create', async () => {
		const answer = await operator({ method: 'POST', path: secrets, body: secretOf(ours('foreign')) })
		expect(answer.status).toBe(409)
		expect(answer.text).not.toContain(Buffer.from(canary).toString('base64'))
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

	it('of ours are created, read back by an empty patch, changed with a version, and deleted', async () => {
		const own = `${secrets}/made`
		const made = await operator({
			method: 'POST',
			path: secrets,
			body: secretOf(ours('made', { ownerReferences: [owner({ uid: bindingUid })] })),
		})
		expect(made.status, made.text).toBe(201)
		expect((await operator({ method: 'POST', path: secrets, body: secretOf(ours('made')) })).status).toBe(409)
		const read = await operator(patch(own, {}))
		expect(read.json).toMatchObject({ data: { a: 'MQ==' }, metadata: { labels: { [LABEL]: 'payments' } } })
		const { resourceVersion } = read.json['metadata'] as { resourceVersion: string }
		const changed = await operator(patch(own, { metadata: { resourceVersion }, data: { a: null, b: 'Mg==' } }))
		expect(changed.json).toMatchObject({ data: { b: 'Mg==' } })
		expect((await operator(patch(own, { metadata: { resourceVersion }, data: { c: 'Mw==' } }))).status).toBe(409)
		expect((await operator(patch(own, { metadata: { ownerReferences: null } }))).status).toBe(200)
		expect((await operator({ method: 'DELETE', path: own })).status).toBe(200)
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
		const answer = await operator(
			dryRun({ method: 'POST', path: secrets, body: secretOf(ours('typed'), { type, stringData }) }),
		)
		expect(answer.status, answer.text).toBe(201)
	})
})

describe('tokens', () => {
	const AUDIENCE = /only for tokens with exactly one audience/
	it.each<[string, object]>([
		['without an audience, which means the API server', {}],
		['with no audiences', { audiences: [] }],
		['for the API server', { audiences: ['https://kubernetes.default.svc.cluster.local'] }],
		['for Vault', { audiences: ['vault'] }],
		['for Entra and the API server', { audiences: [AUDIENCES[0], 'https://kubernetes.default.svc.cluster.local'] }],
		['for Entra twice', { audiences: [AUDIENCES[0], AUDIENCES[0]] }],
	])('%s are refused', (_what, spec) => refused(tokenFor('workload', spec), AUDIENCE))
	it('that live longer than an hour are refused', () =>
		refused(tokenFor('workload', { audiences: [AUDIENCES[0]], expirationSeconds: 3601 }), /at most an hour/))
	it('for its own ServiceAccount are refused just so: this is how the operator asks whether the fence stands', async () => {
		const path = `/api/v1/namespaces/${world.operator.namespace}/serviceaccounts/${world.operator.serviceAccount}/token`
		await refused({ ...tokenFor('workload', { audiences: ['azure-secret-binding-fence'] }), path }, AUDIENCE)
	})
	it.each(AUDIENCES)('for %s are given, and the API server does not take them', async (audience) => {
		const answer = await operator(tokenFor('workload', { audiences: [audience], expirationSeconds: 600 }))
		expect(answer.status).toBe(201)
		const { token } = answer.json['status'] as { token: string }
		expect((await rawClient(world.target, token)({ method: 'GET', path: '/api' })).status).toBe(401)
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
			'status beside a nudge',
			{ metadata: { annotations: { [NUDGE]: '1' } }, status: { phase: 'Failed' } },
			/may not change the status/,
		],
		['labels', { metadata: { labels: { app: 'other' } } }, METADATA],
		['new labels', { metadata: { labels: { evil: 'yes' } } }, METADATA],
		['finalizers', { metadata: { finalizers: ['example.com/stay'] } }, METADATA],
		['other annotations', { metadata: { annotations: { 'example.com/theirs': 'no' } } }, ANNOTATION],
		['new annotations', { metadata: { annotations: { 'example.com/new': 'yes' } } }, ANNOTATION],
		['annotations that go away', { metadata: { annotations: { 'example.com/theirs': null } } }, ANNOTATION],
		[
			'annotations beside a nudge',
			{ metadata: { annotations: { [NUDGE]: '1', 'example.com/new': 'yes' } } },
			ANNOTATION,
		],
		['a nudge used as a store', { metadata: { annotations: { [NUDGE]: 'x'.repeat(65) } } }, VALUE],
		['a nudge of other characters', { metadata: { annotations: { [NUDGE]: '{"a":1}' } } }, VALUE],
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
		const answer = await operator(dryRun(patch(status, body, STRATEGIC)))
		expect(answer.status, answer.text).toBe(200)
		expect(answer.json).toMatchObject({ spec: { containers: [{ image: 'example.com/none' }] } })
		expect(answer.json).not.toHaveProperty('metadata.ownerReferences')
		expect(answer.json).not.toHaveProperty('spec.activeDeadlineSeconds')
	})
})

describe('events', () => {
	it.each<[string, object, RegExp]>([
		["in somebody else's name", eventOf('evil', { reportingController: 'kubelet' }), /events that it reports itself/],
		[
			'about a node',
			eventOf('evil', { regarding: { apiVersion: 'v1', kind: 'Node', name: 'n', namespace } }),
			/only about resources of secrets.purista.dev/,
		],
		[
			'about a lease of somebody else',
			eventOf('evil', { regarding: { ...leaseOf('azure-secret-binding-operator'), namespace } }),
			/only about resources of secrets.purista.dev and about its own lease/,
		],
	])('are not written %s', (_what, body, because) => refused({ method: 'POST', path: events, body }, because))
	it('are written about its own lease, and about no other one beside it', async () => {
		const { namespace: home } = world.operator
		const about = (name: string): RawRequest => ({
			method: 'POST',
			path: `/apis/events.k8s.io/v1/namespaces/${home}/events`,
			body: { ...eventOf(`fence-${name}`, { regarding: leaseOf(name) }), metadata: { namespace: home, name } },
		})
		expect((await operator(dryRun(about('azure-secret-binding-operator')))).status).toBe(201)
		await refused(about('evil'), /about its own lease/)
	})
	it('of others are not touched', () =>
		refused(
			patch(`${events}/theirs`, { series: { count: 9, lastObservedTime: '2026-01-01T00:00:01.000000Z' } }),
			/events that it reports itself/,
		))
	it('of its own are written and counted up', async () => {
		expect((await operator({ method: 'POST', path: events, body: eventOf('own') })).status).toBe(201)
		const counted = await operator(
			patch(`${events}/own`, { series: { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' } }),
		)
		expect(counted.status, counted.text).toBe(200)
	})
})

it('through the status of a binding nothing but the status changes', async () => {
	const body = {
		metadata: { labels: { evil: 'yes' }, annotations: { evil: 'yes' }, finalizers: ['example.com/stay'] },
		spec: { suspend: false },
	}
	const answer = await operator(dryRun(patch(`${bindings}/payments/status`, body)))
	expect(answer.status, answer.text).toBe(200)
	expect(answer.json).toMatchObject({ spec: { suspend: true } })
	for (const field of ['labels', 'annotations', 'finalizers'])
		expect(answer.json).not.toHaveProperty(`metadata.${field}`)
})

it('after all that, nothing foreign has changed', async () => {
	expect(await foreignObjects()).toEqual(before)
})

it('the nudge, which has to work, works', async () => {
	for (const value of ['1234', '1235']) {
		const answer = await operator(patch(`${pods}/app/status`, { metadata: { annotations: { [NUDGE]: value } } }))
		expect(answer.status, answer.text).toBe(200)
	}
	const pod = await until('the annotation', () =>
		getObject<{ metadata: { annotations: object } }>(world.target, ['-n', namespace, 'pod', 'app']),
	)
	expect(pod.metadata.annotations).toMatchObject({ [NUDGE]: '1235', 'example.com/theirs': 'yes' })
})

describe('the kustomization', () => {
	it('renders with the kubectl of the cluster, the fence before the operator', async () => {
		const text = await kubectl(world.target, ['kustomize', 'deploy/kustomize'])
		const kinds = [...text.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind)
		expect(kinds.filter((kind) => kind === 'ValidatingAdmissionPolicyBinding')).toHaveLength(4)
		expect(kinds.lastIndexOf('ValidatingAdmissionPolicyBinding')).toBeLessThan(kinds.indexOf('Deployment'))
	})
	it('goes with an example that the API server accepts as it stands', async () => {
		const folder = join(import.meta.dirname, '../../deploy/examples')
		for (const file of readdirSync(folder)) {
			const objects = parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map(
				(each) => each.toJS() as { kind: string },
			)
			// Into the namespace of this test: a dry run does not make the one of the example.
			const here = objects
				.filter(({ kind }) => kind !== 'Namespace')
				.map((each) => JSON.stringify(each).replaceAll('"namespace":"payments"', `"namespace":"${namespace}"`))
			await kubectl(world.target, ['-n', namespace, 'apply', '--dry-run=server', '-f', '-'], {
				input: `{"apiVersion":"v1","kind":"List","items":[${here.join(',')}]}`,
			})
		}
	})
	it('has no warning from the type check of the policies', async () => {
		const { items } = await getObject<{
			items: Array<{ metadata: { name: string }; status?: { typeChecking?: object } }>
		}>(world.target, [...['validatingadmissionpolicies', '-l', 'app.kubernetes.io/part-of=azure-secret-binding']])
		expect(items.map(({ metadata, status }) => [metadata.name, status?.typeChecking])).toEqual(
			['events', 'pods', 'secrets', 'tokens'].map((name) => [`azure-secret-binding-${name}`, {}]),
		)
	})
})
