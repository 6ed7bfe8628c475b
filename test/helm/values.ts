/** One value of the chart: values.yaml, values.schema.json and the table of its README are made from these. */
export interface ChartValue {
	readonly path: string
	readonly value: unknown
	/** JSON schema of it. */
	readonly schema: Readonly<Record<string, unknown>>
	readonly text: string
}

const text = { type: 'string' }
const flag = { type: 'boolean' }
const anyObject = { type: 'object' }
const textMap = { type: 'object', additionalProperties: text }
const objects = { type: 'array', items: anyObject }
// RFC 1123 label, as the API server asks of namespaces.
const name = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' }
const names = { type: 'array', items: name, uniqueItems: true }

const value = (path: string, value: unknown, schema: ChartValue['schema'], text: string): ChartValue => ({
	path,
	value,
	schema,
	text,
})

export const CHART_VALUES: readonly ChartValue[] = [
	value('image.registry', '', text, 'Registry of the image. Empty: the repository holds it, or there is none'),
	value('image.repository', 'azure-secret-binding-operator', { type: 'string', minLength: 1 }, 'Name of the image'),
	value(
		'image.tag',
		'',
		{ type: 'string', not: { const: 'latest' } },
		"Tag of the image. Empty: the chart's `appVersion`",
	),
	value(
		'image.digest',
		'',
		{ type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
		'Digest of the image. It takes the place of the tag',
	),
	value('image.pullPolicy', '', { enum: ['', 'Always', 'IfNotPresent', 'Never'] }, "Empty: Kubernetes' own default"),
	value('image.pullSecrets', [], names, 'Names of Secrets with registry credentials'),
	value('crds.enabled', true, flag, 'Install the CRD. It stays when the release is removed'),
	value('fence.enabled', true, flag, 'Install the admission policies. Without them the operator does not start'),
	value(
		'rbac.scope',
		'byNamespace',
		{ enum: ['byNamespace', 'everywhere', 'namespaces'] },
		'Where the operator may work: where a namespace granted it, in all namespaces, or by Roles in `rbac.namespaces` only',
	),
	value('rbac.namespaces', [], names, 'Namespaces of the scope `namespaces`; they have to exist'),
	value(
		'rbac.aggregate',
		true,
		flag,
		'Add bindings to the roles `view` and `edit`. Who edits a binding creates Secrets',
	),
	value(
		'tenants',
		[],
		names,
		'Namespaces that get the RoleBinding to `azure-secret-binding-tenant`; they have to exist',
	),
	value(
		'volumeTenants',
		[],
		names,
		'Namespaces that get the RoleBinding to `azure-secret-binding-tenant-volume`: no right on Secrets',
	),
	value('ha', false, flag, 'Two replicas and a PodDisruptionBudget'),
	value('priorityClassName', '', text, 'PriorityClass of the operator'),
	value(
		'resources.requests',
		{ cpu: '100m', memory: '128Mi' },
		anyObject,
		'AKS safeguards raise less than 100m and 100Mi',
	),
	value(
		'resources.limits',
		{ memory: '384Mi' },
		anyObject,
		'No cpu: a throttled process would miss renewals of its lease',
	),
	value(
		'minInterval',
		'',
		{ type: 'string', pattern: '^(([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?)$' },
		'Shortest time between two polls for one binding, such as `60s`. Empty: 5s. A shorter interval is raised, and the binding says so',
	),
	value('args', [], { type: 'array', items: text }, 'More flags of the operator'),
	value('env', [], objects, 'More environment variables'),
	value('podLabels', {}, textMap, 'More labels of the pods'),
	value('podAnnotations', {}, textMap, 'More annotations of the pods'),
	value('tolerations', [], objects, 'Tolerations of the operator'),
	value('nodeSelector', { 'kubernetes.io/os': 'linux' }, textMap, 'Nodes of the operator'),
	value('metrics.auth', false, flag, '`/metrics` only with a token whose user may get that path'),
	value('metrics.podMonitor.enabled', false, flag, 'Install a PodMonitor'),
	value(
		'metrics.podMonitor.apiVersion',
		'monitoring.coreos.com/v1',
		{ enum: ['monitoring.coreos.com/v1', 'azmonitoring.coreos.com/v1'] },
		'Of the Prometheus operator, or of Azure Monitor',
	),
	value(
		'metrics.podMonitor.authorization',
		{},
		anyObject,
		'How Prometheus shows its token; needed with `metrics.auth`',
	),
	value('metrics.podMonitor.labels', {}, textMap, 'Labels by which your Prometheus finds PodMonitor and alerts'),
	value('metrics.alerts.enabled', false, flag, 'Install the alerts as a PrometheusRule'),
	value(
		'metrics.dashboard.enabled',
		false,
		flag,
		'Install the dashboard as a ConfigMap with the label `grafana_dashboard`',
	),
	value(
		'networkPolicy.enabled',
		false,
		flag,
		'Only namespaces with `secrets.purista.dev/scrapes-metrics: "true"` connect',
	),
	value('volume.enabled', false, flag, 'Install the node role: CSIDriver and DaemonSet, in a namespace of their own'),
	value('emulator.enabled', false, flag, 'For tests of your own: lead the operator to azure-key-vault-emulator'),
	value('emulator.ip', '10.96.0.44', text, "Address of the emulator's Service"),
	value('emulator.vaults', ['payments'], { ...names, minItems: 1 }, 'Names of vaults that the emulator answers for'),
	value(
		'emulator.caConfigMap',
		'emulator-ca',
		text,
		"ConfigMap with `ca.crt` of the emulator, in the release's namespace",
	),
]
