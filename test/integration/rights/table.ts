// What a thief of the operator's token can do, as attacks. deploy/README.md shows what they come to.
import { createScanner } from '../../canary/scanner.ts'
import type { RawAnswer, RawClient, RawRequest } from '../../kit/raw-client.ts'
import { JSON_PATCH, patch, readsOfSecret, STRATEGIC } from './reads.ts'
import { eventOf, LABEL, type Scene, secretOf } from './scene.ts'

/** Where the thief stands: a scene, and the ServiceAccount and the Secret of ours that it goes for. */
export interface Place {
	readonly thief: RawClient
	readonly scene: Scene
	/** prefix of the names of policies and ClusterRoles */
	readonly tag: string
	/** the same where the Secret that it may reach by name is foreign; default: this place */
	readonly whereForeign?: Place
	/** which ServiceAccount */
	readonly account: string
	/** a foreign Secret that holds a canary, and the name of a Secret with our label */
	readonly foreign: string
	readonly own: string
}

export interface Row {
	readonly group: 'read' | 'write' | 'become'
	readonly what: string
	/** all of them are tried; one that works is a yes */
	readonly requests: (place: Place) => RawRequest[]
	/** it is about a foreign Secret */
	readonly foreign?: true
	/** default: the API server does it */
	readonly works?: (answer: RawAnswer, place: Place) => boolean
}

export const GROUPS: Record<Row['group'], string> = { read: 'Read', write: 'Write', become: 'Become' }

const done = ({ status }: RawAnswer) => status >= 200 && status < 300
const shows = ({ text }: RawAnswer, { scene }: Place) => createScanner(scene.canaries).scan('', text).length > 0
const core = ({ scene }: Place) => `/api/v1/namespaces/${scene.namespace}`
const dry = (request: RawRequest): RawRequest => ({
	...request,
	path: `${request.path}${request.path.includes('?') ? '&' : '?'}dryRun=All`,
})
const bindings = ({ scene }: Place) =>
	`/apis/secrets.purista.dev/v1alpha1/namespaces/${scene.namespace}/azuresecretbindings`
const events = ({ scene }: Place) => `/apis/events.k8s.io/v1/namespaces/${scene.namespace}/events`
const token = (place: Place, spec: object): RawRequest => ({
	method: 'POST',
	path: `${core(place)}/serviceaccounts/${place.account}/token`,
	body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
})
const create = (place: Place, more: object = {}, labels: object = {}) =>
	dry({ method: 'POST', path: `${core(place)}/secrets`, body: secretOf(place.scene.namespace, 'new', more, labels) })
const putPod = (place: Place, metadata: object, status: object) =>
	dry({
		method: 'PUT',
		path: `${core(place)}/pods/app/status`,
		body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'app', ...metadata }, status },
	})
// Of the pod of the scene: who updates it has to send what is there.
const LABELS = { labels: { foreign: 'yes', app: 'app' } }
const STATUS = { phase: 'Pending', qosClass: 'BestEffort' }
const OURS = { [LABEL]: 'payments' }
const ENTRA = 'api://AzureADTokenExchange'

/** All writes are dry runs, which are authorised and admitted like real ones. */
export const ROWS: readonly Row[] = [
	{
		group: 'read',
		what: 'values of a Secret that it knows by name, whosever it is',
		foreign: true,
		requests: (at) => readsOfSecret(at.scene, at.foreign).map(([, request]) => request),
		works: shows,
	},
	{
		group: 'read',
		what: 'names of Secrets (list, watch)',
		requests: (at) => [
			{ method: 'GET', path: `${core(at)}/secrets` },
			{ method: 'GET', path: '/api/v1/secrets' },
			{ method: 'GET', path: `${core(at)}/secrets?watch=true&timeoutSeconds=1` },
		],
	},
	{
		group: 'read',
		what: 'whether a Secret exists (`boundObjectRef` of a token)',
		requests: (at) => [
			token(at, { audiences: [ENTRA], boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: at.foreign } }),
		],
	},
	{
		group: 'read',
		what: 'pods, with environment variables as written',
		requests: (at) => [
			{ method: 'GET', path: `${core(at)}/pods` },
			patch(`${core(at)}/pods/app/status?dryRun=All`, { status: { phase: 1 } }),
			// With the status guessed: the answer to an update is the object.
			putPod(at, LABELS, STATUS),
		],
		works: ({ text }) => text.includes('in-the-pod'),
	},
	{
		group: 'read',
		what: 'a ServiceAccount and its annotations',
		requests: (at) => [{ method: 'GET', path: `${core(at)}/serviceaccounts/${at.account}` }],
	},
	{
		group: 'read',
		what: 'specs and statuses of bindings (no values)',
		requests: (at) => [{ method: 'GET', path: bindings(at) }],
	},
	{
		group: 'read',
		what: 'events of others',
		requests: (at) => [
			{ method: 'GET', path: events(at) },
			{ method: 'GET', path: `${core(at)}/events` },
			patch(`${events(at)}/theirs?dryRun=All`, { note: 1 }),
			dry({ method: 'PUT', path: `${events(at)}/theirs`, body: eventOf(at.scene.namespace, 'theirs') }),
		],
		works: shows,
	},
	{
		group: 'write',
		what: 'Secrets with our label: change, delete',
		requests: (at) => [
			patch(`${core(at)}/secrets/${at.own}?dryRun=All`, { data: { a: 'Mg==' } }),
			dry({ method: 'DELETE', path: `${core(at)}/secrets/${at.own}` }),
		],
	},
	{
		group: 'write',
		what: 'new Secrets with our label, of the five types',
		requests: (at) => [create(at, {}, OURS)],
	},
	{
		group: 'write',
		what: 'other Secrets: overwrite, relabel, delete, create',
		foreign: true,
		requests: (at) => {
			const path = `${core(at)}/secrets/${at.foreign}`
			return [
				create(at),
				patch(`${path}?dryRun=All`, { data: { a: 'Mg==' } }),
				patch(`${path}?dryRun=All`, { metadata: { labels: OURS } }),
				patch(`${path}?dryRun=All`, [{ op: 'add', path: '/metadata/labels', value: OURS }], JSON_PATCH),
				dry({ method: 'PUT', path, body: secretOf(at.scene.namespace, at.foreign, {}, OURS) }),
				dry({ method: 'DELETE', path }),
				dry({ method: 'DELETE', path: `${core(at)}/secrets` }),
			]
		},
	},
	{
		group: 'write',
		what: 'the annotation `secrets.purista.dev/refreshed` of pods',
		requests: (at) => [
			patch(`${core(at)}/pods/app/status?dryRun=All`, {
				metadata: { annotations: { 'secrets.purista.dev/refreshed': '1' } },
			}),
			putPod(at, { ...LABELS, annotations: { 'secrets.purista.dev/refreshed': '1' } }, STATUS),
		],
	},
	{
		group: 'write',
		what: 'anything else of pods: status, labels, images, deletion, exec',
		requests: (at) => [
			patch(`${core(at)}/pods/app/status?dryRun=All`, { status: { phase: 'Failed' } }),
			patch(`${core(at)}/pods/app/status?dryRun=All`, { metadata: { labels: { evil: 'yes' } } }),
			putPod(at, { labels: { evil: 'yes' } }, { phase: 'Pending' }),
			patch(`${core(at)}/pods/app?dryRun=All`, { spec: { containers: [{ name: 'app', image: 'evil' }] } }, STRATEGIC),
			dry({ method: 'DELETE', path: `${core(at)}/pods/app` }),
			{ method: 'POST', path: `${core(at)}/pods/app/exec?command=id` },
		],
	},
	{
		group: 'write',
		what: 'the status of bindings',
		requests: (at) => [patch(`${bindings(at)}/payments/status?dryRun=All`, { status: { synced: '0/0' } })],
	},
	{
		group: 'write',
		what: 'events about bindings, in its own name',
		requests: (at) => [dry({ method: 'POST', path: events(at), body: eventOf(at.scene.namespace, 'new') })],
	},
	{
		group: 'write',
		what: 'leases: with that of the operator it holds up the work',
		requests: (at) => [
			dry({
				method: 'POST',
				path: `/apis/coordination.k8s.io/v1/namespaces/${at.scene.namespace}/leases`,
				body: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'new' } },
			}),
		],
	},
	{
		group: 'write',
		what: 'bindings, ServiceAccounts, roles, admission policies',
		requests: (at) => [
			patch(`${bindings(at)}/payments?dryRun=All`, { spec: { suspend: false } }),
			patch(`${core(at)}/serviceaccounts/${at.account}?dryRun=All`, { metadata: { annotations: { evil: 'yes' } } }),
			patch(`/apis/rbac.authorization.k8s.io/v1/clusterroles/${at.tag}-azure-secret-binding-tenant?dryRun=All`, {
				rules: [],
			}),
			dry({
				method: 'DELETE',
				path: `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${at.tag}-azure-secret-binding-secrets`,
			}),
		],
	},
	{
		group: 'become',
		what: 'a ServiceAccount, inside the cluster',
		requests: (at) => [
			token(at, {}),
			token(at, { audiences: ['https://kubernetes.default.svc.cluster.local'] }),
			token(at, { audiences: [ENTRA, 'https://kubernetes.default.svc.cluster.local'] }),
			create(at, {
				type: 'kubernetes.io/service-account-token',
				metadata: {
					name: 'new',
					labels: OURS,
					annotations: { 'kubernetes.io/service-account.name': at.account },
				},
			}),
		],
	},
	{
		group: 'become',
		what: 'a ServiceAccount, towards Entra: what its federated identity may read',
		requests: (at) => [token(at, { audiences: [ENTRA] })],
	},
	{
		group: 'become',
		what: 'anybody else (impersonation, certificates)',
		requests: (at) => [
			dry({
				method: 'POST',
				path: '/apis/certificates.k8s.io/v1/certificatesigningrequests',
				body: { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: at.tag } },
			}),
			dry({
				method: 'POST',
				path: `/apis/rbac.authorization.k8s.io/v1/namespaces/${at.scene.namespace}/rolebindings`,
				body: { metadata: { name: 'evil' }, roleRef: { kind: 'ClusterRole', name: 'cluster-admin' } },
			}),
		],
	},
]

/** What a row comes to in a place: **yes**; or no, by whom. @throws when an attack was refused for another cause, such as its form */
export async function judge(row: Row, place: Place): Promise<string> {
	const at = row.foreign ? (place.whereForeign ?? place) : place
	const by = new Set<string>()
	let isYes = false
	for (const request of row.requests(at)) {
		const answer = await at.thief(request)
		if ((row.works ?? done)(answer, at)) isYes = true
		else by.add(refuserOf(answer, request, row))
	}
	if (isYes) return '**yes**'
	// Of reads the policies say nothing; what they refuse among them is a write that would not have answered with the object.
	return by.has('policy') && row.group !== 'read' ? 'no (policy)' : 'no (RBAC)'
}

function refuserOf(answer: RawAnswer, { method, path }: RawRequest, row: Row): string {
	const message = String(answer.json['message'])
	if (answer.status === 403 && message.includes(' cannot ')) return 'RBAC'
	if (answer.status === 403 && message.includes('ValidatingAdmissionPolicy')) return 'policy'
	// Rows that ask what an answer shows do not mind what else it is.
	if (row.works) return 'nothing shown'
	throw new Error(`${row.what}: ${method} ${path} was answered ${answer.status} ${message}`)
}
