// What the node role's token can do. Its table in deploy/README.md is printed from these attacks: ASB_PRINT=1 writes it anew.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { installNodeProfile, type NodeProfile } from './node-profile.ts'
import { connectTarget } from './profile.ts'
import { eventOf, openScene, type Scene } from './scene.ts'
import { type Place, ROWS, type Row } from './table.ts'
import { testsOfThief } from './thief-table.ts'

const [BEGIN, END] = [
	'<!-- thief of a node: printed by test/integration/rights/node.test.ts -->\n',
	'<!-- /thief of a node -->',
]
const COLUMNS = ['any namespace', 'its own namespace'] as const

const event = (at: Place, more: object) => ({
	method: 'POST' as const,
	path: `/apis/events.k8s.io/v1/namespaces/${at.scene.namespace}/events?dryRun=All`,
	body: eventOf(at.scene.namespace, 'new', more),
})
const OWN = { reportingController: 'secrets.purista.dev/node' }
const POD = { regarding: { apiVersion: 'v1', kind: 'Pod', name: 'app' } }
const about = (at: Place, more: object) => ({ ...more, regarding: { ...POD.regarding, namespace: at.scene.namespace } })

/** What only the node role is attacked for, beside all that the operator is. */
const NODE_ROWS: readonly Row[] = [
	{
		group: 'write',
		what: 'events about pods, in its own name',
		requests: (at) => [event(at, about(at, OWN))],
	},
	{
		group: 'write',
		what: 'events in the name of others',
		requests: (at) => [
			event(at, about(at, { reportingController: 'kubelet' })),
			event(at, about(at, { reportingController: 'secrets.purista.dev/operator' })),
			event(at, about(at, { reportingController: 'secrets.purista.dev/node-of-another' })),
		],
	},
	{
		group: 'read',
		what: 'nodes and what runs on them',
		requests: () => [
			{ method: 'GET', path: '/api/v1/nodes' },
			{ method: 'GET', path: '/api/v1/pods' },
			{ method: 'GET', path: '/apis/storage.k8s.io/v1/csinodes' },
		],
	},
	{
		group: 'write',
		what: 'the driver: CSIDriver, DaemonSet, its admission policy',
		requests: (at) => [
			{ method: 'DELETE', path: '/apis/storage.k8s.io/v1/csidrivers/secrets.purista.dev?dryRun=All' },
			{
				method: 'DELETE',
				path: `/apis/apps/v1/namespaces/${at.scene.namespace}/daemonsets/azure-secret-binding-node?dryRun=All`,
			},
			{
				method: 'DELETE',
				path: `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${at.tag}-azure-secret-binding-node-events?dryRun=All`,
			},
		],
	},
]
const ALL = (['read', 'write', 'become'] as const).flatMap((group) =>
	[...ROWS, ...NODE_ROWS].filter((row) => row.group === group),
)

describe("a thief of the node role's token", () => {
	let profile: NodeProfile
	const scenes: Scene[] = []
	const places = new Map<string, Place>()
	beforeAll(async () => {
		const target = await connectTarget()
		profile = await installNodeProfile(target)
		for (const [column, namespace] of [
			['any namespace', `${profile.tag}-any`],
			['its own namespace', profile.home],
		] as const) {
			const scene = await openScene(target, namespace)
			scenes.push(scene)
			const { thief, tag } = profile
			const account = column === 'any namespace' ? 'boss' : 'azure-secret-binding-node'
			places.set(column, { thief, tag, scene, account, foreign: 'foreign', own: 'others-secrets' })
		}
		// The authoriser learns of ClusterRoles by watches of its own.
		await until('the rights', async () => (await profile.thief({ method: 'GET', path: BINDINGS })).status === 200)
	})
	afterAll(async () => {
		await Promise.all(scenes.map((scene) => scene.remove()))
		await profile?.remove()
	})
	const BINDINGS = '/apis/secrets.purista.dev/v1alpha1/azuresecretbindings'

	it('may do what this list says and nothing else, wherever it asks', async () => {
		const rule = (group: string, resources: string[], verbs: string[]) => ({ apiGroups: [group], resources, verbs })
		const wanted = [
			rule('secrets.purista.dev', ['azuresecretbindings'], ['get', 'list', 'watch']),
			rule('', ['serviceaccounts'], ['get']),
			rule('events.k8s.io', ['events'], ['create', 'update']),
			// What every user has.
			rule('authorization.k8s.io', ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
			rule('authentication.k8s.io', ['selfsubjectreviews'], ['create']),
		]
		const byText = (rules: object[]) =>
			rules.map((each) => JSON.stringify(each, Object.keys(each).toSorted())).toSorted()
		for (const { scene } of places.values()) {
			const { json } = await profile.thief({
				method: 'POST',
				path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
				body: {
					apiVersion: 'authorization.k8s.io/v1',
					kind: 'SelfSubjectRulesReview',
					spec: { namespace: scene.namespace },
				},
			})
			const { resourceRules, incomplete } = json['status'] as { resourceRules: object[]; incomplete: boolean }
			expect({ rules: byText(resourceRules), incomplete }).toEqual({ rules: byText(wanted), incomplete: false })
		}
	})

	testsOfThief({ columns: COLUMNS, rows: ALL, places, begin: BEGIN, end: END })
})
