import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAuthorize } from '../../../operator/src/cluster/reviews.ts'
import { createTokens } from '../../../operator/src/cluster/serviceaccounts.ts'
import { createKubeTransport } from '../../../operator/src/cluster/transport.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { kubectl } from '../../kit/kubectl.ts'
import { runLine } from './printed-line.ts'
import { condition, isTrue, kubectlLine, openStage, type Stage } from './stage.ts'

let stage: Stage
const OTHER = 'abcdef01-2345-6789-abcd-ef0123456789'

beforeAll(async () => {
	stage = await openStage({ name: 'tenants' })
	await stage.emulator.control.setSecret({ vault: stage.vault, name: 'db', value: 'v' })
	await stage.start()
}, 120_000)
afterAll(() => stage?.close(), 60_000)

const account = () => `/api/v1/namespaces/${stage.namespace}/serviceaccounts/payments`
const annotate = (key: string, text: string | null) =>
	stage.merge(account(), { metadata: { annotations: { [key]: text } } })
const fresh = (name: string) => stage.wait(name, 'Fresh', (binding) => isTrue(binding, 'Fresh'), 60_000)
const told = async (name: string, reason: string) => {
	const binding = await stage.wait(
		name,
		reason,
		(each) => condition(each, 'Fresh')?.reason === reason && condition(each, 'Fresh')?.status === 'False',
		60_000,
	)
	return condition(binding, 'Fresh')?.message ?? ''
}

it('a wrong tenant id is told with both tenants, and the printed line mends it', async () => {
	await annotate('azure.workload.identity/tenant-id', OTHER)
	await stage.apply('wrong-tenant', { secrets: [{ name: 'db' }] })
	const message = await told('wrong-tenant', 'VaultOfOtherTenant')
	expect(message).toContain(OTHER)
	expect(message).toContain(stage.emulator.tenantId)
	await runLine(stage, kubectlLine(message))
	await fresh('wrong-tenant')
}, 120_000)

it('ids and the vault in capitals work, in the spec and in the annotations', async () => {
	await annotate('azure.workload.identity/tenant-id', stage.emulator.tenantId.toUpperCase())
	await annotate('azure.workload.identity/client-id', stage.clientId.toUpperCase())
	await annotate('secrets.purista.dev/vault-url', `https://${stage.vault.toUpperCase()}.vault.azure.net/`)
	await stage.apply('capitals', { secrets: [{ name: 'db' }] })
	await fresh('capitals')
	await stage.apply('spec-capitals', {
		vault: { url: `https://${stage.vault.toUpperCase()}.vault.azure.net` },
		identity: {
			serviceAccountName: 'payments',
			clientId: stage.clientId.toUpperCase(),
			tenantId: stage.emulator.tenantId.toUpperCase(),
		},
		secrets: [{ name: 'db' }],
		delivery: { secret: { name: 'spec-capitals' } },
	})
	await fresh('spec-capitals')
}, 120_000)

it('a suffix that the operator was not told is refused with the list, in the spec and in the annotation', async () => {
	await stage.apply('elsewhere', {
		vault: { url: 'https://payments.vault.cloud.example' },
		secrets: [{ name: 'db' }],
		delivery: { secret: { name: 'elsewhere' } },
	})
	expect(await told('elsewhere', 'VaultNotAllowed')).toContain('vault.azure.net, vault.azure.cn')
	const named = { identity: { serviceAccountName: 'other' }, secrets: [{ name: 'db' }] }
	await stage.create(`/api/v1/namespaces/${stage.namespace}/serviceaccounts`, {
		metadata: {
			name: 'other',
			annotations: {
				'azure.workload.identity/client-id': stage.clientId,
				'azure.workload.identity/tenant-id': stage.emulator.tenantId,
				// What a parser of URLs takes for the vault.
				'secrets.purista.dev/vault-url': `https:${stage.vault}.vault.azure.net`,
			},
		},
	})
	await stage.create(`/apis/secrets.purista.dev/v1alpha1/namespaces/${stage.namespace}/azuresecretbindings`, {
		apiVersion: 'secrets.purista.dev/v1alpha1',
		kind: 'AzureSecretBinding',
		metadata: { name: 'annotated' },
		spec: { ...named, delivery: { secret: { name: 'annotated' } } },
	})
	await told('annotated', 'VaultNotAllowed')
}, 120_000)

it('metrics are for whose user may get /metrics, by the word of the API server', async () => {
	const system = 'azure-secret-binding-system'
	await kubectl(stage.target, ['apply', '-f', 'deploy/kustomize/metrics-auth/rbac.yaml'])
	const binding = `metrics-${stage.namespace}`
	const asOperator = createKubeTransport({ kubeConfig: stage.connect({ token: await operatorToken(system) }) })
	try {
		const authorize = createAuthorize(asOperator, systemClock, '/metrics')
		const { token } = await createTokens(stage.api).request(stage.namespace, 'payments', await audience())
		expect(await authorize('not.a.token')).toBe('unauthenticated')
		expect(await authorize(token)).toBe('no')
		await kubectl(stage.target, [
			...['create', 'clusterrolebinding', binding, '--clusterrole=azure-secret-binding-metrics-reader'],
			`--serviceaccount=${stage.namespace}:payments`,
		])
		// Another process: what was answered is remembered for a minute.
		const again = createAuthorize(asOperator, systemClock, '/metrics')
		await expect
			.poll(() => createAuthorize(asOperator, systemClock, '/metrics')(token), { timeout: 20_000 })
			.toBe('yes')
		expect(await again(token)).toBe('yes')
	} finally {
		await kubectl(stage.target, ['delete', 'clusterrolebinding', binding, '--ignore-not-found'])
		await kubectl(stage.target, ['delete', '-f', 'deploy/kustomize/metrics-auth/rbac.yaml', '--ignore-not-found'])
		await asOperator.close()
	}
}, 120_000)

/** The audience of the API server is its issuer's default; a TokenRequest without one gives it. */
async function audience(): Promise<string> {
	return stage.issuer
}

async function operatorToken(system: string): Promise<string> {
	const path = `/api/v1/namespaces/${system}`
	for (const [at, body] of [
		['/api/v1/namespaces', { metadata: { name: system } }],
		[`${path}/serviceaccounts`, { metadata: { name: 'azure-secret-binding-operator' } }],
	] as const)
		await stage.create(at, body).catch((error: { kind?: string }) => {
			if (error.kind !== 'alreadyExists') throw error
		})
	const { token } = await createTokens(stage.api).request(system, 'azure-secret-binding-operator', stage.issuer)
	return token
}
