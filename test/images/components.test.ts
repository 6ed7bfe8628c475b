import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'

interface Manifest {
	readonly kind: string
	readonly metadata: { name: string; namespace?: string }
	readonly rules?: readonly object[]
	readonly spec?: {
		selector?: object
		podSelector?: object
		ingress?: ReadonlyArray<{ ports: ReadonlyArray<{ port: number }> }>
		template?: { spec: { containers: readonly Container[] } }
	}
}
interface Container {
	readonly name: string
	readonly ports?: readonly object[]
	readonly startupProbe?: { httpGet: { port: string } }
	readonly livenessProbe?: { httpGet: { port: string } }
	readonly readinessProbe?: { httpGet: { port: string } }
}

const FOLDER = join(import.meta.dirname, '../../deploy/kustomize')
const read = (file: string) =>
	parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((each) => each.toJS() as Manifest)
const first = (file: string): Manifest => {
	const [manifest] = read(file)
	if (!manifest) throw new Error(`${file} is empty`)
	return manifest
}
const containerOf = ({ spec }: Manifest) => spec?.template?.spec.containers[0]
const base = first('base/deployment.yaml')

it('probes ask the port of health, and metrics have the other one', () => {
	const container = containerOf(base)
	expect(container?.ports).toEqual([
		{ name: 'http', containerPort: 8080 },
		{ name: 'health', containerPort: 8081 },
	])
	for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const)
		expect(container?.[probe]?.httpGet.port, probe).toBe('health')
})

it('authorisation of metrics brings the two rights that it takes, and no other', () => {
	const roles = read('metrics-auth/rbac.yaml').filter(({ kind }) => kind === 'ClusterRole')
	expect(roles.flatMap(({ rules = [] }) => rules)).toEqual([
		{ apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
		{ apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
		{ nonResourceURLs: ['/metrics'], verbs: ['get'] },
	])
	const patch = first('metrics-auth/deployment.yaml')
	const { name, namespace } = base.metadata
	expect(patch.metadata).toEqual({ name, namespace })
	expect(containerOf(patch)?.name).toBe(containerOf(base)?.name)
})

it('the network policy is about the pods of the Deployment, and lets scrapers to metrics only', () => {
	const { spec } = first('network-policy/networkpolicy.yaml')
	expect(spec?.podSelector).toEqual(base.spec?.selector)
	expect(spec?.ingress?.flatMap(({ ports }) => ports.map(({ port }) => port))).toEqual([8080])
})
