// What the node role's token can do. Its table in deploy/README.md is printed from these attacks: ASB_PRINT=1 writes it anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { installNodeProfile, type NodeProfile } from './node-profile.ts'
import { connectTarget } from './profile.ts'
import { eventOf, openScene, type Scene } from './scene.ts'
import { GROUPS, judge, type Place, ROWS, type Row } from './table.ts'

const README = join(import.meta.dirname, '../../../deploy/README.md')
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

	const verdicts = new Map<string, string>()
	it.each(COLUMNS.flatMap((column) => ALL.map((row) => [column, row.group, row.what, row] as const)))(
		'%s, %s: %s',
		async (column, _group, what, row) => {
			const place = places.get(column)
			if (!place) throw new Error(column)
			const before = await place.scene.foreign()
			verdicts.set(`${column}/${what}`, await judge(row, place))
			expect(await place.scene.foreign()).toEqual(before)
		},
	)

	it('finds what deploy/README.md says', ({ task }) => {
		const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |\n`
		const printed = [
			line(['', ...COLUMNS]),
			line(COLUMNS.map(() => '---').concat('---')),
			...ALL.map((row) =>
				line([
					`${GROUPS[row.group]} ${row.what}`,
					...COLUMNS.map((column) => verdicts.get(`${column}/${row.what}`) ?? ''),
				]),
			),
		].join('')
		const text = readFileSync(README, 'utf8')
		const [from, to] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)]
		expect(from).toBeGreaterThan(BEGIN.length)
		if (process.env['ASB_PRINT'] === '1') writeFileSync(README, text.slice(0, from) + printed + text.slice(to))
		else expect(text.slice(from, to), task.name).toBe(printed)
	})
})
