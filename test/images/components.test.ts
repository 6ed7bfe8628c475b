import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'

const FOLDER = join(import.meta.dirname, '../../deploy/kustomize')
// biome-ignore lint/suspicious/noExplicitAny: manifests are read here as kubectl reads them, and asserted below
const read = (file: string) =>
	parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((each) => each.toJS() as any)

it('probes ask the port of health, and metrics have the other one', () => {
	const [deployment] = read('base/deployment.yaml')
	const [container] = deployment.spec.template.spec.containers
	expect(container.ports).toEqual([
		{ name: 'http', containerPort: 8080 },
		{ name: 'health', containerPort: 8081 },
	])
	for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
		expect(container[probe].httpGet.port, probe).toBe('health')
})

it('authorisation of metrics brings the two rights that it takes, and no other', () => {
	const roles = read('metrics-auth/rbac.yaml').filter(({ kind }) => kind === 'ClusterRole')
	expect(roles.flatMap(({ rules }) => rules)).toEqual([
		{ apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
		{ apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
		{ nonResourceURLs: ['/metrics'], verbs: ['get'] },
	])
	const [patch] = read('metrics-auth/deployment.yaml')
	const [base] = read('base/deployment.yaml')
	expect(patch.metadata).toEqual({ name: base.metadata.name, namespace: base.metadata.namespace })
	expect(patch.spec.template.spec.containers[0].name).toBe(base.spec.template.spec.containers[0].name)
})

it('the network policy is about the pods of the Deployment, and lets scrapers to metrics only', () => {
	const [policy] = read('network-policy/networkpolicy.yaml')
	const [base] = read('base/deployment.yaml')
	expect(policy.spec.podSelector).toEqual(base.spec.selector)
	expect(
		policy.spec.ingress.flatMap(({ ports }: { ports: { port: number }[] }) => ports.map(({ port }) => port)),
	).toEqual([8080])
})
