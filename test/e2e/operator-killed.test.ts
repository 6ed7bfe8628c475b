import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyBinding, decoded, getSecret, sha256, waitForBinding, waitReady } from '../kit/binding.ts'
import { applyObjects, kubectl } from '../kit/kubectl.ts'
import { rawClient } from '../kit/raw-client.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

/** Kills the operator's pods without any time to say goodbye. */
async function killOperator(world: World): Promise<void> {
	await kubectl(world.target, [
		...['-n', world.operator.namespace, 'delete', 'pod', '-l', world.operator.podSelector],
		...['--grace-period=0', '--force', '--wait=false'],
	])
}

describe('an operator that is killed', () => {
	let world: World
	let tenant: Tenant
	beforeAll(async () => {
		world = await connectWorld()
		tenant = await createTenant({ ...world, name: 'killed', vault: 'killed' })
		await world.control.setSecret({ vault: 'killed', name: 'apiKey', value: world.canary('killed-first') })
		await applyBinding(world, tenant, { secrets: [{ name: 'apiKey' }] })
		await waitReady(world, tenant)
		await world.startService(tenant)
		await kubectl(world.target, ['-n', tenant.namespace, 'rollout', 'status', 'deployment/payments', '--timeout=180s'])
	})
	afterAll(() => tenant?.remove())

	it('while it reads the vault loses nothing: the next one delivers', async () => {
		// The value read hangs, so that the kill surely falls into the look.
		const { id } = await world.control.addFault({ match: { vault: 'killed' }, action: 'delay', delayMs: 5_000 })
		const since = Date.now()
		const value = world.canary('killed-second')
		const { version } = await world.control.setSecret({ vault: 'killed', name: 'apiKey', value })
		await until('a poll that hangs', async () =>
			(await world.control.requests({ since })).some((each) => each.vault === 'killed'),
		)
		await killOperator(world)
		await world.control.removeFault(id)
		await waitForBinding(world, tenant, 'the new version', (b) => b.status?.secrets?.[0]?.version === version)
		expect(decoded(await getSecret(world, tenant), 'apiKey')).toBe(value)
	})

	it('between the write of the Secret and the pod refresh: the next one finishes the pod refresh', async () => {
		// The API server refuses pod refreshes in this namespace until the operator is dead.
		const policy = `no-refreshes-${tenant.namespace}`
		await applyObjects(world.target, [
			{
				apiVersion: 'admissionregistration.k8s.io/v1',
				kind: 'ValidatingAdmissionPolicy',
				metadata: { name: policy },
				spec: {
					failurePolicy: 'Fail',
					matchConstraints: {
						namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': tenant.namespace } },
						resourceRules: [
							{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods/status'], operations: ['UPDATE'] },
						],
					},
					matchConditions: [
						{
							name: 'operator',
							expression: `request.userInfo.username.startsWith('system:serviceaccount:${world.operator.namespace}:')`,
						},
					],
					validations: [{ expression: 'false', message: 'no pod refreshes for now' }],
				},
			},
			{
				apiVersion: 'admissionregistration.k8s.io/v1',
				kind: 'ValidatingAdmissionPolicyBinding',
				metadata: { name: policy },
				spec: { policyName: policy, validationActions: ['Deny'] },
			},
		])
		try {
			// The policy takes a moment to reach the API server's admission chain; ask as the operator would.
			const { namespace: home, serviceAccount } = world.operator
			const token = (await kubectl(world.target, ['-n', home, 'create', 'token', serviceAccount])).trim()
			const asOperator = rawClient(world.target, token)
			const path = `/api/v1/namespaces/${tenant.namespace}/pods/${await world.servicePod(tenant)}/status?dryRun=All`
			await until('the policy in force', async () => {
				const contentType = 'application/merge-patch+json'
				const { text } = await asOperator({ method: 'PATCH', path, body: {}, contentType })
				return text.includes('no pod refreshes for now')
			})
			const value = world.canary('killed-third')
			await world.control.setSecret({ vault: 'killed', name: 'apiKey', value })
			await until(
				'the Secret with the new value',
				async () => decoded(await getSecret(world, tenant), 'apiKey') === value,
			)
			await killOperator(world)
		} finally {
			await kubectl(world.target, [
				'delete',
				'validatingadmissionpolicybinding,validatingadmissionpolicy',
				policy,
				'--ignore-not-found',
			])
		}
		const { metadata } = await getSecret(world, tenant)
		await until('the pod refresh of the new Secret on the pod', async () => {
			const annotation = await kubectl(world.target, [
				...['-n', tenant.namespace, 'get', 'pod', await world.servicePod(tenant), '-o'],
				'jsonpath={.metadata.annotations.secrets\\.purista\\.dev/refreshed}',
			])
			return annotation === metadata.resourceVersion
		})
		const secret = await getSecret(world, tenant)
		await until('the new value in the file', async () => {
			const { files } = await world.mountedFiles(tenant)
			return files['apiKey']?.sha256 === sha256(Buffer.from(secret.data?.['apiKey'] ?? '', 'base64'))
		})
	})
})
