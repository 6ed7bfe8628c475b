// An operator that is a ServiceAccount with a Role, from which single verbs can be taken away while it runs.
import type { KubeConfig } from '@kubernetes/client-node'
import { until } from '../../kit/until.ts'
import type { Stage } from './stage.ts'

interface Rule {
	apiGroups: string[]
	resources: string[]
	verbs: string[]
}
const rule = (group: string, resource: string, ...verbs: string[]): Rule => ({
	apiGroups: [group],
	resources: [resource],
	verbs,
})
// What deploy/kustomize/namespaced gives, without its names.
const RULES: readonly Rule[] = [
	rule('secrets.purista.dev', 'azuresecretbindings', 'get', 'list', 'watch'),
	rule('secrets.purista.dev', 'azuresecretbindings/status', 'patch'),
	rule('', 'serviceaccounts', 'get'),
	rule('', 'serviceaccounts/token', 'create'),
	rule('', 'secrets', 'get', 'create', 'patch', 'delete'),
	rule('', 'pods', 'list'),
	rule('', 'pods/status', 'patch'),
	rule('events.k8s.io', 'events', 'create', 'update'),
	rule('coordination.k8s.io', 'leases', 'create', 'get', 'update', 'patch'),
]

export interface Account {
	/** of the ServiceAccount */
	readonly kubeConfig: KubeConfig
	/** Takes a verb away; @returns what gives it back. Both resolve when the API server's authoriser knows. */
	without(resource: string, verb: string): Promise<() => Promise<void>>
}

export async function openAccount(stage: Stage): Promise<Account> {
	const { namespace } = stage
	const metadata = { name: 'operator', namespace }
	const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
	await stage.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata })
	await stage.create(`${rbac}/roles`, { metadata, rules: RULES })
	await stage.create(`${rbac}/rolebindings`, {
		metadata,
		roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'operator' },
		subjects: [{ kind: 'ServiceAccount', name: 'operator', namespace }],
	})
	const { status } = await stage.api.request<{ status: { token: string } }>({
		method: 'POST',
		path: `/api/v1/namespaces/${namespace}/serviceaccounts/operator/token`,
		body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
	})
	const kubeConfig = stage.connect({ token: status.token })
	const user = `system:serviceaccount:${namespace}:operator`
	const isAllowed = async (name: string, verb: string): Promise<boolean> => {
		const [resource = '', subresource = ''] = name.split('/')
		const group = RULES.find(({ resources }) => resources.includes(name))?.apiGroups[0] ?? ''
		const answer = await stage.api.request<{ status: { allowed: boolean } }>({
			method: 'POST',
			path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
			body: { spec: { user, resourceAttributes: { namespace, group, resource, subresource, verb } } },
		})
		return answer.status.allowed
	}
	const write = async (rules: readonly Rule[], resource: string, verb: string, allowed: boolean) => {
		await stage.merge(`${rbac}/roles/operator`, { rules })
		await until(`${verb} ${resource}: ${allowed}`, async () => (await isAllowed(resource, verb)) === allowed)
	}
	await until('the Role', () => isAllowed('azuresecretbindings', 'watch'))
	return {
		kubeConfig,
		async without(resource, verb) {
			const rules = RULES.map((each) =>
				each.resources.includes(resource) ? { ...each, verbs: each.verbs.filter((other) => other !== verb) } : each,
			).filter(({ verbs }) => verbs.length > 0)
			await write(rules, resource, verb, false)
			return () => write(RULES, resource, verb, true)
		},
	}
}
