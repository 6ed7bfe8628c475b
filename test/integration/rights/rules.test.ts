// What the API server itself says that the operator may do, in each profile: this list, and nothing else.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyObjects, kubectl } from '../../kit/kubectl.ts'
import { until } from '../../kit/until.ts'
import { connectTarget, installProfile, type Profile, type ProfileName } from './profile.ts'

const rule = (group: string, resources: string[], verbs: string[], more: object = {}) => ({
	apiGroups: [group],
	resources,
	verbs,
	...more,
})
const named = (name: string) => ({ resourceNames: [name] })

/** What every user has: asking what oneself may and who oneself is. */
const USER = [
	rule('authorization.k8s.io', ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
	rule('authentication.k8s.io', ['selfsubjectreviews'], ['create']),
]
const BINDINGS = [
	rule('secrets.purista.dev', ['azuresecretbindings'], ['get', 'list', 'watch']),
	rule('secrets.purista.dev', ['azuresecretbindings/status'], ['patch']),
	rule('events.k8s.io', ['events'], ['create', 'update']),
]
const HOME = [
	rule('coordination.k8s.io', ['leases'], ['get', 'update'], named('azure-secret-binding-operator')),
	rule('coordination.k8s.io', ['leases'], ['create']),
	rule('events.k8s.io', ['events'], ['create', 'update']),
	rule('', ['serviceaccounts/token'], ['create'], named('azure-secret-binding-operator')),
	rule('', ['secrets'], ['create']),
	rule('', ['pods/status'], ['update']),
]
const GRANT = [
	rule('', ['serviceaccounts'], ['get']),
	rule('', ['serviceaccounts/token'], ['create']),
	rule('', ['secrets'], ['get', 'create', 'patch', 'delete']),
	rule('', ['pods'], ['list']),
	rule('', ['pods/status'], ['patch']),
]
/** deploy/kustomize/namespaced/tenant: with names, and with the rights on bindings that no ClusterRole gives there. */
const ROLE = [
	...BINDINGS,
	rule('', ['serviceaccounts'], ['get'], named('payments')),
	rule('', ['serviceaccounts/token'], ['create'], named('payments')),
	rule('', ['secrets'], ['create']),
	rule('', ['secrets'], ['get', 'patch', 'delete'], named('payments-secrets')),
	rule('', ['pods'], ['list']),
	rule('', ['pods/status'], ['patch']),
]
// Discovery, health and the issuer's keys, as every ServiceAccount has.
const PATHS = [
	...['/.well-known/openid-configuration', '/openid/v1/jwks', '/healthz', '/livez', '/readyz', '/version'],
	...['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'],
]
const byText = (list: object[]) => list.map((each) => JSON.stringify(each, Object.keys(each).toSorted())).toSorted()

describe.each<[ProfileName, { none: object[]; home: object[]; granted: object[]; named: object[] }]>([
	[
		'default',
		{ none: BINDINGS, home: [...BINDINGS, ...HOME], granted: [...BINDINGS, ...GRANT], named: [...BINDINGS, ...ROLE] },
	],
	[
		'everywhere',
		{
			none: [...BINDINGS, ...GRANT],
			home: [...BINDINGS, ...GRANT, ...HOME],
			granted: [...BINDINGS, ...GRANT, ...GRANT],
			named: [...BINDINGS, ...GRANT, ...ROLE],
		},
	],
	['namespaced', { none: [], home: HOME, granted: GRANT, named: ROLE }],
])('in the profile %s the operator may do this list', (name, expected) => {
	let profile: Profile
	const at = (place: keyof typeof expected) => (place === 'home' ? profile.home : `${profile.tag}-${place}`)
	beforeAll(async () => {
		const target = await connectTarget()
		profile = await installProfile(target, name)
		const namespaces = ['none', 'granted', 'named'].map((place) => `${profile.tag}-${place}`)
		await applyObjects(
			target,
			namespaces.map((of) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: of } })),
		)
		await profile.grant(`${profile.tag}-granted`)
		await profile.grantNamed(`${profile.tag}-named`)
	})
	afterAll(async () => {
		if (!profile) return
		const namespaces = ['none', 'granted', 'named'].map((place) => `${profile.tag}-${place}`)
		await kubectl(profile.target, ['delete', 'namespace', ...namespaces, '--wait=false', '--ignore-not-found'])
		await profile.remove()
	})
	const rules = async (namespace: string) => {
		const { json } = await profile.thief({
			method: 'POST',
			path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
			body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } },
		})
		return json['status'] as {
			resourceRules: object[]
			nonResourceRules: Array<{ nonResourceURLs: string[] }>
			incomplete: boolean
		}
	}

	it.each(['none', 'home', 'granted', 'named'] as const)('%s', async (place) => {
		const wanted = byText([...expected[place], ...USER])
		// The authoriser learns of Roles by watches of its own.
		const found = await until('as many rules', async () => {
			const { resourceRules, incomplete } = await rules(at(place))
			return resourceRules.length >= wanted.length && { found: byText(resourceRules), incomplete }
		})
		expect(found).toEqual({ found: wanted, incomplete: false })
	})

	it('and no other path of the API server', async () => {
		const { nonResourceRules } = await rules(at('none'))
		const urls = nonResourceRules.flatMap((each) => each.nonResourceURLs.map((url) => url.replace(/\/$/, '')))
		expect([...new Set(urls)].toSorted()).toEqual(PATHS.toSorted())
	})
})
