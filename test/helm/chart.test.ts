import { beforeEach, describe, expect, test } from 'vitest'
import { renderers } from './program.ts'
import { type Rendered, renderChart, renderKustomize, renderOverlay } from './render.ts'
import { safeguardFindings } from './safeguards.ts'

const tools = await renderers()
const { helm, helm3, kubectl } = tools ?? { helm: '', helm3: '', kubectl: '' }

beforeEach(({ skip }) => skip(!tools, 'no Go to build Helm with'))

const EMULATOR = { 'emulator.enabled': true, 'image.tag': 'dev' }
const PROFILES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
	default: {},
	everywhere: { 'rbac.scope': 'everywhere' },
	namespaces: { 'rbac.scope': 'namespaces', 'rbac.namespaces': ['payments', 'orders'] },
	tenants: { tenants: ['payments'], volumeTenants: ['payments', 'orders'] },
	ha: { ha: true, priorityClassName: 'system-cluster-critical' },
	metrics: {
		'metrics.podMonitor.enabled': true,
		'metrics.alerts.enabled': true,
		'metrics.dashboard.enabled': true,
		'networkPolicy.enabled': true,
	},
	metricsAuth: { 'metrics.auth': true },
	emulator: EMULATOR,
	volume: { 'volume.enabled': true },
}

const keyOf = ({ apiVersion, kind, metadata }: Rendered) =>
	`${apiVersion} ${kind} ${metadata.namespace ?? ''}/${metadata.name}`

interface Container {
	env?: { name: string }[]
	args?: string[]
}
interface RestrictedPod {
	securityContext: object
	containers: { securityContext: object }[]
	volumes?: object[]
}
const containersOf = (object: Rendered): Container[] =>
	(object['spec'] as { template?: { spec: { containers: Container[] } } } | undefined)?.template?.spec.containers ?? []

/** By key, without what the chart adds: its label, the annotation that keeps the CRD, and the waves of Argo CD. */
function comparable(objects: readonly Rendered[]): Record<string, unknown> {
	const entries = objects.map((object) => {
		const { 'helm.sh/chart': _chart, ...labels } = object.metadata.labels ?? {}
		const {
			'helm.sh/resource-policy': _keep,
			'argocd.argoproj.io/sync-wave': _wave,
			...annotations
		} = object.metadata.annotations ?? {}
		const { env } = containersOf(object)[0] ?? {}
		// kustomize puts what a patch adds first; none refers to another, so their order means nothing.
		env?.sort((a, b) => (a.name < b.name ? -1 : 1))
		return [keyOf(object), { ...object, metadata: { ...object.metadata, labels, annotations } }] as const
	})
	expect(new Set(entries.map(([key]) => key)).size).toBe(entries.length)
	return Object.fromEntries(entries)
}

const only = (objects: readonly Rendered[], kind: string) => objects.filter((object) => object.kind === kind)
const deployment = (objects: readonly Rendered[]) => only(objects, 'Deployment')[0] as Rendered
const withoutNamespace = (objects: readonly Rendered[]) =>
	objects.filter(({ kind, metadata }) => kind !== 'Namespace' || metadata.name !== 'azure-secret-binding-system')
/** Without what only `helm test` makes. */
const installed = (objects: readonly Rendered[]) =>
	objects.filter(({ metadata }) => !metadata.annotations?.['helm.sh/hook'])
const isTenantRole = ({ metadata }: Rendered) => metadata.name === 'azure-secret-binding-tenant'

/** Each right once, as group, resource and verb. */
function verbsOf(roles: readonly Rendered[]): string[] {
	const rules = roles.flatMap(
		(role) => role['rules'] as { apiGroups: string[]; resources: string[]; verbs: string[] }[],
	)
	const rights = rules.flatMap(({ apiGroups, resources, verbs }) =>
		apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`))),
	)
	return [...new Set(rights)].toSorted()
}

/** As the chart has it, and as kustomize has it; `component`s stand over the default. */
const TWINS: ReadonlyArray<readonly [string, Readonly<Record<string, unknown>>, { components?: string[] }]> = [
	['by default; the namespace is made by --create-namespace', {}, {}],
	['everywhere', { 'rbac.scope': 'everywhere' }, { components: ['everywhere'] }],
	['metrics with a token', { 'metrics.auth': true }, { components: ['metrics-auth'] }],
	['the NetworkPolicy', { 'networkPolicy.enabled': true }, { components: ['network-policy'] }],
	['the emulator', { 'emulator.enabled': true }, { components: ['emulator'] }],
	[
		'all components together',
		{
			'rbac.scope': 'everywhere',
			'metrics.auth': true,
			'networkPolicy.enabled': true,
			'emulator.enabled': true,
		},
		{ components: ['everywhere', 'metrics-auth', 'network-policy', 'emulator'] },
	],
]

describe('the chart and kustomize say the same', () => {
	const plain = { 'image.tag': 'dev', 'rbac.aggregate': false }

	test.each(TWINS)('%s', async (_title, values, { components = [] }) => {
		const [chart, kustomize] = await Promise.all([
			renderChart(helm, { ...plain, ...values }),
			renderOverlay(kubectl, ['.'], components),
		])
		expect(kustomize.length).toBeGreaterThan(10)
		expect(comparable(installed(chart))).toEqual(comparable(withoutNamespace(kustomize)))
	})

	test('the node role', async () => {
		const values = { ...plain, 'volume.enabled': true }
		const [chart, without, node] = await Promise.all([
			renderChart(helm, values),
			renderChart(helm, { ...values, 'volume.enabled': false }),
			renderKustomize(kubectl, 'node'),
		])
		const before = new Set(without.map(keyOf))
		const added = chart.filter((object) => !before.has(keyOf(object)))
		expect(comparable(added)).toEqual(comparable(node))
	})

	test('some namespaces only: the operator, and in each namespace verbs of the same rules', async () => {
		const [chart, kustomize, tenant] = await Promise.all([
			renderChart(helm, { ...plain, 'rbac.scope': 'namespaces', 'rbac.namespaces': ['payments'] }),
			renderKustomize(kubectl, 'namespaced'),
			renderKustomize(kubectl, 'namespaced/tenant'),
		])
		const inTenant = (object: Rendered) => object.metadata.namespace === 'payments'
		const operator = comparable(installed(chart).filter((object) => !inTenant(object)))
		// The flag is the overlay's in kustomize; the chart has it from the value.
		const [container] = containersOf(deployment(chart))
		expect(container?.args).toEqual(['--namespaces=payments'])
		delete container?.args
		expect(operator).toEqual(comparable(withoutNamespace(kustomize)))
		// kustomize's Role names ServiceAccount and Secret, the chart's grant does not: the verbs are the same.
		const granted = [...only(chart, 'Role').filter(inTenant), ...only(chart, 'ClusterRole').filter(isTenantRole)]
		expect(verbsOf(granted)).toEqual(verbsOf(only(tenant, 'Role')))
	})
})

test('Helm 3 and Helm 4 render the same', async () => {
	for (const values of Object.values(PROFILES)) {
		const [four, three] = await Promise.all([renderChart(helm, values), renderChart(helm3, values)])
		// Kinds that their lists do not know come in another order.
		expect(Object.fromEntries(three.map((each) => [keyOf(each), each]))).toEqual(
			Object.fromEntries(four.map((each) => [keyOf(each), each])),
		)
	}
}, 120_000)

describe('conditions and subjects come from the release', () => {
	test('in another namespace nothing names the usual one', async () => {
		for (const values of Object.values(PROFILES)) {
			const objects = await renderChart(helm, values, 'platform')
			expect(JSON.stringify(only(objects, 'ValidatingAdmissionPolicy'))).toContain(
				"'system:serviceaccount:platform:azure-secret-binding-operator'",
			)
			// Keys only: a failure prints names, not the dashboard.
			const named = objects.filter((object) => JSON.stringify(object).includes('azure-secret-binding-system'))
			expect(named.map(keyOf)).toEqual([])
		}
	}, 60_000)
})

test.each(['on', '1234', 'null'])(
	'a namespace called %s is a name and no other kind of value',
	async (name) => {
		for (const values of Object.values({ ...PROFILES, tenants: { tenants: [name], volumeTenants: [name] } })) {
			const found = (await renderChart(helm, values, name)).map(({ metadata }) => metadata.namespace)
			expect(found.filter((each) => each !== undefined && typeof each !== 'string')).toEqual([])
			expect(found).toContain(name)
		}
	},
	60_000,
)

test.each(['on', '1234', 'null', 'a: b', '1.0 #x'])(
	'a text %s in the values is that text in the objects',
	async (name) => {
		const isName = /^[a-z0-9]+$/.test(name)
		const objects = await renderChart(helm, {
			'image.tag': name,
			'image.pullSecrets': isName ? [name] : [],
			priorityClassName: name,
			'emulator.enabled': true,
			'emulator.ip': name,
			'emulator.vaults': [isName ? name : 'payments'],
			'emulator.caConfigMap': name,
			'metrics.podMonitor.enabled': true,
			'metrics.podMonitor.labels': { 'helm.sh/chart': name, release: name },
		})
		const image = `azure-secret-binding-operator:${name}`
		const pod = { ...(isName && { imagePullSecrets: [{ name }] }), containers: [{ image }] }
		expect(deployment(objects)['spec']).toMatchObject({
			template: {
				spec: {
					...pod,
					priorityClassName: name,
					hostAliases: [{ ip: name }],
					volumes: [{ configMap: { name } }],
				},
			},
		})
		expect(only(objects, 'Pod')[0]).toMatchObject({ spec: pod })
		const [monitor] = only(objects, 'PodMonitor')
		expect(monitor?.metadata.labels).toMatchObject({
			release: name,
			'app.kubernetes.io/part-of': 'azure-secret-binding',
		})
		expect(monitor?.metadata.labels?.['helm.sh/chart']).toMatch(/^azure-secret-binding-/)
	},
)

describe('profiles', () => {
	test('namespaces: no ClusterRoleBinding, the flag, and grants in each', async () => {
		const objects = await renderChart(helm, PROFILES['namespaces'])
		expect(only(objects, 'ClusterRoleBinding')).toEqual([])
		expect(JSON.stringify(deployment(objects))).toContain('"args":["--namespaces=payments,orders"]')
		const bindings = only(objects, 'RoleBinding').map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
		expect(bindings.filter((each) => each.startsWith('orders/'))).toEqual([
			'orders/azure-secret-binding-bindings',
			'orders/azure-secret-binding',
		])
	})

	test('ha: two replicas that are not stopped together', async () => {
		const objects = await renderChart(helm, PROFILES['ha'])
		expect(deployment(objects)['spec']).toMatchObject({
			replicas: 2,
			strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
		})
		expect(only(objects, 'PodDisruptionBudget')).toHaveLength(1)
	})

	test('metrics: PodMonitor, alerts, dashboard, NetworkPolicy', async () => {
		const objects = await renderChart(helm, PROFILES['metrics'])
		for (const kind of ['PodMonitor', 'PrometheusRule', 'NetworkPolicy', 'ConfigMap'])
			expect(only(objects, kind)).toHaveLength(1)
	})

	test('minInterval is a flag of the operator', async () => {
		const objects = await renderChart(helm, { minInterval: '90s', args: ['--log-level=debug'] })
		expect(containersOf(deployment(objects))[0]?.args).toEqual(['--min-interval=90s', '--log-level=debug'])
	})

	test('emulator: names of production lead to it', async () => {
		const text = JSON.stringify(deployment(await renderChart(helm, EMULATOR)))
		expect(text).toContain('"hostnames":["login.microsoftonline.com","payments.vault.azure.net"]')
		expect(text).toContain('"NODE_EXTRA_CA_CERTS"')
	})

	test('Argo CD syncs the CRD first, then the admission policies, then the operator', async () => {
		const objects = await renderChart(helm)
		const waves = (kind: string) =>
			only(objects, kind).map(({ metadata }) => Number(metadata.annotations?.['argocd.argoproj.io/sync-wave'] ?? 0))
		expect(waves('CustomResourceDefinition')).toEqual([-2])
		expect(waves('ValidatingAdmissionPolicy')).toEqual([-1, -1, -1, -1])
		expect(waves('ValidatingAdmissionPolicyBinding')).toEqual([-1, -1, -1, -1])
		expect(waves('Deployment')).toEqual([0])
	})

	test('what a user adds arrives: credentials, environment, labels, annotations, tolerations, nodes, PodMonitor of Azure', async () => {
		const given = {
			'image.pullSecrets': ['registry'],
			'image.pullPolicy': 'Always',
			env: [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }],
			podLabels: { team: 'platform', 'app.kubernetes.io/name': 'other' },
			podAnnotations: { note: 'kept' },
			tolerations: [{ key: 'system', operator: 'Exists' }],
			nodeSelector: { pool: 'system' },
			priorityClassName: 'system-cluster-critical',
			'resources.requests': { cpu: '200m', memory: '256Mi' },
			'metrics.podMonitor.enabled': true,
			'metrics.podMonitor.apiVersion': 'azmonitoring.coreos.com/v1',
		}
		const objects = await renderChart(helm, given)
		const { template } = deployment(objects)['spec'] as {
			template: { metadata: object; spec: { containers: object[] } }
		}
		expect(template.metadata).toMatchObject({
			// The selector's own label cannot be changed by a value.
			labels: { team: 'platform', 'app.kubernetes.io/name': 'azure-secret-binding-operator' },
			annotations: given.podAnnotations,
		})
		expect(template.spec).toMatchObject({
			imagePullSecrets: [{ name: 'registry' }],
			priorityClassName: given.priorityClassName,
			nodeSelector: given.nodeSelector,
			tolerations: given.tolerations,
		})
		expect(template.spec.containers[0]).toMatchObject({
			imagePullPolicy: 'Always',
			env: expect.arrayContaining(given.env) as unknown[],
			resources: { requests: given['resources.requests'], limits: { memory: '384Mi' } },
		})
		const [monitor] = only(objects, 'PodMonitor')
		expect(monitor).toMatchObject({ apiVersion: 'azmonitoring.coreos.com/v1', spec: { labelLimit: 63 } })
	})

	test('bindings are part of view, edit and admin, unless aggregation is off', async () => {
		const roles = async (aggregate: boolean) =>
			only(await renderChart(helm, { 'rbac.aggregate': aggregate }), 'ClusterRole').flatMap(({ metadata }) =>
				Object.keys(metadata.labels ?? {})
					.filter((label) => label.startsWith('rbac.authorization.k8s.io/aggregate-to-'))
					.map((label) => `${metadata.name} in ${label.slice('rbac.authorization.k8s.io/aggregate-to-'.length)}`),
			)
		expect((await roles(true)).toSorted()).toEqual([
			'azure-secret-binding-edit in admin',
			'azure-secret-binding-edit in edit',
			'azure-secret-binding-view in admin',
			'azure-secret-binding-view in edit',
			'azure-secret-binding-view in view',
		])
		expect(await roles(false)).toEqual([])
	})

	test('the CRD is kept at uninstall', async () => {
		const [crd] = only(await renderChart(helm), 'CustomResourceDefinition')
		expect(crd?.metadata.annotations?.['helm.sh/resource-policy']).toBe('keep')
		expect(only(await renderChart(helm, { 'crds.enabled': false }), 'CustomResourceDefinition')).toEqual([])
	})

	test('a digest takes the place of the tag', async () => {
		const digest = `sha256:${'0'.repeat(64)}`
		const text = JSON.stringify(
			deployment(await renderChart(helm, { 'image.registry': 'r.example', 'image.digest': digest })),
		)
		expect(text).toContain(`"r.example/azure-secret-binding-operator@${digest}"`)
	})
})

test.each([
	['a misspelt value', { 'image.tga': '1' }, "additional properties 'tga' not allowed"],
	['latest', { 'image.tag': 'latest' }, '/image/tag'],
	['an interval without a unit', { minInterval: '60' }, '/minInterval'],
	['an unknown scope', { 'rbac.scope': 'cluster' }, '/rbac/scope'],
	['a wrong type', { ha: 'yes' }, '/ha'],
	['no namespaces', { 'rbac.scope': 'namespaces' }, 'name them in rbac.namespaces'],
	['two namespaces in one', { tenants: ['x; y'] }, '/tenants/0'],
	['a variable that the chart sets', { env: [{ name: 'POD_NAMESPACE', value: 'kube-system' }] }, 'env: POD_NAMESPACE'],
	['the switch that the chart sets', { ...PROFILES['metricsAuth'], env: [{ name: 'METRICS_AUTH' }] }, 'METRICS_AUTH'],
	['namespaces of another scope', { 'rbac.namespaces': ['a'] }, 'set tenants'],
	[
		'scrapes without a token',
		{ 'metrics.auth': true, 'metrics.podMonitor.enabled': true },
		'set metrics.podMonitor.authorization',
	],
])('refuses %s', async (_title, values, message) => {
	await expect(renderChart(helm, values)).rejects.toThrow(message)
})

describe('Pod Security', () => {
	test.each(Object.entries(PROFILES))('%s: restricted but in the namespace of the node role', async (_name, values) => {
		const objects = await renderChart(helm, values)
		const pods = objects.flatMap(({ kind, spec }) => {
			if (kind === 'Pod') return [spec as RestrictedPod]
			return kind === 'Deployment' ? [(spec as { template: { spec: RestrictedPod } }).template.spec] : []
		})
		// The operator, and the pod of `helm test`.
		expect(pods).toHaveLength(2)
		for (const { securityContext, containers, volumes = [] } of pods) {
			expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
			for (const container of containers)
				expect(container.securityContext).toMatchObject({
					allowPrivilegeEscalation: false,
					capabilities: { drop: ['ALL'] },
				})
			expect(volumes.filter((volume) => !('configMap' in volume))).toEqual([])
		}
		const privileged = only(objects, 'Namespace').map(({ metadata }) => [
			metadata.name,
			metadata.labels?.['pod-security.kubernetes.io/enforce'],
		])
		expect(privileged).toEqual(values['volume.enabled'] === true ? [['azure-secret-binding-node', 'privileged']] : [])
		const sets = only(objects, 'DaemonSet').map(({ metadata }) => metadata.namespace)
		expect(sets).toEqual(values['volume.enabled'] === true ? ['azure-secret-binding-node'] : [])
	})
})

describe('AKS deployment safeguards', () => {
	test.each(Object.entries(PROFILES))(
		'%s: refuse and change nothing but host paths of the node role',
		async (name, values) => {
			const objects = await renderChart(helm, values)
			const findings = objects.flatMap(safeguardFindings)
			if (name === 'volume') expect(findings.every((each) => each.startsWith('denied: hostPath '))).toBe(true)
			expect(findings.length).toBe(name === 'volume' ? 4 : 0)
		},
	)

	test('the rules find what they are for', () => {
		const container = {
			image: 'a:latest',
			ports: [{ hostPort: 1 }],
			securityContext: { capabilities: { add: ['SYS_ADMIN'] }, seccompProfile: { type: 'Unconfined' } },
			startupProbe: { httpGet: { host: 'elsewhere', port: 1 } },
		}
		const pod = {
			containers: [container],
			hostPID: true,
			tolerations: [{ operator: 'Exists' }],
			securityContext: { sysctls: [{ name: 'a', value: '1' }] },
		}
		const object = {
			apiVersion: 'apps/v1',
			kind: 'Deployment',
			metadata: { name: 'a' },
			spec: { template: { spec: pod } },
		}
		expect(safeguardFindings(object)).toEqual([
			'changed: cpu request undefined',
			'changed: memory request undefined',
			'denied: image a:latest',
			'denied: hostPort',
			'denied: capability SYS_ADMIN',
			'denied: seccomp Unconfined',
			'denied: host of startupProbe',
			'warned: no readinessProbe',
			'warned: no livenessProbe',
			'denied: sysctls',
			'denied: namespaces of the host',
			'changed: neither podAntiAffinity nor topologySpread',
			'denied: toleration of everything',
		])
		const role = { apiVersion: 'v1', kind: 'ClusterRole', metadata: { name: 'a' } }
		const rules = (verbs: string[]) => [{ apiGroups: [''], resources: ['nodes'], verbs }]
		expect(safeguardFindings({ ...role, rules: rules(['get', 'patch']) })).toEqual(['denied: a role that edits nodes'])
		expect(safeguardFindings({ ...role, rules: rules(['get', 'list']) })).toEqual([])
	})
})
