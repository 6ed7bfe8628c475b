import { until } from '../../kit/until.ts'
import type { Stage } from './stage.ts'

/** A ValidatingAdmissionPolicy of somebody else about one Secret; @returns what takes it away */
export async function refuseByPolicy(
	stage: Stage,
	of: { operation: 'CREATE' | 'UPDATE'; name: string; expression: string; message: string },
): Promise<() => Promise<void>> {
	const name = `${stage.namespace}-${of.name}`
	const group = '/apis/admissionregistration.k8s.io/v1'
	const rule = { apiGroups: [''], apiVersions: ['v1'], operations: [of.operation], resources: ['secrets'] }
	const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': stage.namespace } }
	await stage.create(`${group}/validatingadmissionpolicies`, {
		metadata: { name },
		spec: {
			failurePolicy: 'Fail',
			matchConstraints: { namespaceSelector, resourceRules: [rule] },
			matchConditions: [{ name: 'one', expression: `object.metadata.name == '${of.name}'` }],
			validations: [{ expression: of.expression, message: of.message }],
		},
	})
	await stage.create(`${group}/validatingadmissionpolicybindings`, {
		metadata: { name },
		spec: { policyName: name, validationActions: ['Deny'] },
	})
	// The API server learns of policies by a watch of its own.
	const path = `/api/v1/namespaces/${stage.namespace}/secrets`
	await until('the policy', async () => {
		const dry = { dryRun: 'All' }
		const call =
			of.operation === 'CREATE'
				? stage.api.request({ method: 'POST', path, query: dry, body: { metadata: { name: of.name } } })
				: stage.api.request({ method: 'PATCH', path: `${path}/${of.name}`, query: dry, body: {} })
		return call.then(
			() => false,
			(error: Error) => error.message.includes(of.message),
		)
	})
	return async () => {
		await stage.api.request({ method: 'DELETE', path: `${group}/validatingadmissionpolicybindings/${name}` })
		await stage.api.request({ method: 'DELETE', path: `${group}/validatingadmissionpolicies/${name}` })
	}
}
