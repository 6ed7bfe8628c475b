import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { AUDIENCES, OWNER_LABEL, REFRESHED_ANNOTATION, SECRET_TYPES } from '../../operator/src/api/constants.ts'
import { TENANT_ROLE } from '../../operator/src/status/commands.ts'
import { grantOf } from '../emulator/src/kind/identity.ts'

interface Manifest {
	readonly kind: string
	readonly metadata: { readonly name: string; readonly namespace?: string }
	readonly spec: {
		readonly validations?: ReadonlyArray<{ expression: string; message: string }>
		readonly matchConditions?: ReadonlyArray<{ expression: string }>
		readonly failurePolicy?: string
		readonly policyName?: string
		readonly validationActions?: string[]
	}
}

const FOLDER = join(import.meta.dirname, '../../deploy/kustomize')
const read = (file: string) =>
	parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((each) => each.toJS() as Manifest)
const policy = (name: string) => read(`fence/${name}.yaml`).find(({ kind }) => kind === 'ValidatingAdmissionPolicy')
const quoted = (text: string) => [...text.matchAll(/'([^']+)'/g)].map(([, inside]) => inside)
/** The list after `in` of an expression. */
const listIn = (name: string) => {
	const expression =
		policy(name)
			?.spec.validations?.map((each) => each.expression)
			.find((text) => text.includes(' in\n') || / in \[/.test(text)) ?? ''
	return quoted(expression.slice(expression.lastIndexOf('[')))
}

describe('the fence says the same as the operator', () => {
	it('about the audiences of tokens', () => {
		expect(listIn('tokens')).toEqual([...AUDIENCES])
	})
	it('about the types of Secrets', () => {
		expect(listIn('secrets')).toEqual(Object.keys(SECRET_TYPES))
	})
	it('about the ClusterRole that a namespace binds, in the line, the example and the tests', () => {
		const [role] = read('base/tenant.yaml')
		expect(role).toMatchObject({ kind: 'ClusterRole', metadata: { name: TENANT_ROLE } })
		const binding = read('../examples/payments.yaml').find(({ kind }) => kind === 'RoleBinding')
		expect(binding).toEqual(grantOf('payments'))
	})
	it('about the label and the annotation', () => {
		expect(readFileSync(join(FOLDER, 'fence/secrets.yaml'), 'utf8')).toContain(`labels[?'${OWNER_LABEL}']`)
		expect(readFileSync(join(FOLDER, 'fence/pods.yaml'), 'utf8')).toContain(`k == '${REFRESHED_ANNOTATION}'`)
	})
	it.each(['tokens', 'secrets', 'pods', 'events'])(
		'about who the operator is: %s, which denies and fails closed',
		(name) => {
			const [account] = read('base/serviceaccount.yaml')
			expect(policy(name)?.spec.matchConditions).toEqual([
				{
					name: 'operator',
					expression: `request.userInfo.username == 'system:serviceaccount:${account?.metadata.namespace}:${account?.metadata.name}'`,
				},
			])
			expect(policy(name)?.spec.failurePolicy).toBe('Fail')
			const binding = read(`fence/${name}.yaml`).find(({ kind }) => kind === 'ValidatingAdmissionPolicyBinding')
			expect(binding?.spec).toEqual({ policyName: policy(name)?.metadata.name, validationActions: ['Deny', 'Audit'] })
		},
	)
})
