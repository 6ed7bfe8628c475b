import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'

interface Rule {
	readonly apiGroups: readonly string[]
	readonly resources: readonly string[]
	readonly resourceNames?: readonly string[]
	readonly verbs: readonly string[]
}
interface Manifest {
	readonly kind: string
	readonly rules?: readonly Rule[]
	readonly subjects?: ReadonlyArray<{ kind: string; name: string; namespace: string }>
}

const FOLDER = join(import.meta.dirname, '../../deploy/kustomize')
const read = (file: string) =>
	parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((each) => each.toJS() as Manifest)
const permissions = (file: string, kind: string, only: (rule: Rule) => boolean = () => true) =>
	read(file)
		.filter((each) => each.kind === kind)
		.flatMap(({ rules = [] }) => rules)
		.filter(only)
		.flatMap(({ apiGroups, resources, verbs }) =>
			apiGroups.flatMap((group) => resources.flatMap((of) => verbs.map((verb) => `${verb} ${of} ${group}`))),
		)
		.toSorted()

describe('the Role of a tenant in the namespaced profile', () => {
	const tenant = 'namespaced/tenant/role.yaml'
	it('has the verbs of the ClusterRoles, no more and no fewer', () => {
		const cluster = [
			// One ClusterRole for all deliveries, and a smaller one that is part of it.
			...new Set([
				...permissions('base/clusterrole.yaml', 'ClusterRole'),
				...permissions('base/tenant.yaml', 'ClusterRole'),
			]),
		].toSorted()
		expect(cluster).toContain('create serviceaccounts/token ')
		expect(permissions(tenant, 'Role')).toEqual(cluster)
	})
	it('names the ServiceAccounts and Secrets wherever RBAC can', () => {
		expect(permissions(tenant, 'Role', ({ resourceNames }) => resourceNames !== undefined)).toEqual([
			'create serviceaccounts/token ',
			'delete secrets ',
			'get secrets ',
			'get serviceaccounts ',
			'patch secrets ',
		])
	})
	it('is for the operator, as all others are', () => {
		const operator = {
			kind: 'ServiceAccount',
			name: 'azure-secret-binding-operator',
			namespace: 'azure-secret-binding-system',
		}
		for (const file of [tenant, 'everywhere/clusterrolebinding.yaml', 'base/role.yaml', 'base/clusterrole.yaml']) {
			expect(read(file).flatMap(({ subjects = [] }) => subjects)).toEqual([operator])
		}
	})
})
