// The examples of deploy/examples/limits, as they are, against an API server: how many bindings, which vaults, how often.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { applyObjects, kubectl } from '../../kit/kubectl.ts'
import { until } from '../../kit/until.ts'
import { openStage, type Stage } from './stage.ts'

interface KubeObject {
	kind: string
	metadata: { name: string; namespace?: string }
	spec: Record<string, unknown>
}

const example = (file: string): KubeObject[] =>
	parseAllDocuments(readFileSync(new URL(`../../../deploy/examples/limits/${file}`, import.meta.url), 'utf8')).map(
		(each) => each.toJS() as KubeObject,
	)

const suffix = randomUUID().slice(0, 8)
const namespace = `limits-${suffix}`
let stage: Stage
const created: string[] = []

const create = (name: string, spec: object) =>
	applyObjects(stage.target, [
		{
			apiVersion: 'secrets.purista.dev/v1alpha1',
			kind: 'AzureSecretBinding',
			metadata: { namespace, name },
			spec: {
				vault: { url: 'https://payments.vault.azure.net' },
				identity: { serviceAccountName: 'payments' },
				secrets: [{ name: 'apiKey' }],
				delivery: { type: 'Secret', secret: { name } },
				refresh: { interval: '2m' },
				...spec,
			},
		},
	])
const refused = async (name: string, spec: object, because: RegExp) =>
	await expect(create(name, spec)).rejects.toThrow(because)

beforeAll(async () => {
	stage = await openStage({ name: 'limits' })
	// Other tests run on this cluster: the policy is for this namespace only.
	const policies = example('vaults-and-intervals.yaml').map((each) => ({
		...each,
		metadata: { name: `${each.metadata.name}-${suffix}` },
		spec:
			each.kind === 'ValidatingAdmissionPolicyBinding'
				? {
						...each.spec,
						policyName: `${String(each.spec['policyName'])}-${suffix}`,
						matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
					}
				: each.spec,
	}))
	await applyObjects(stage.target, [
		{
			apiVersion: 'v1',
			kind: 'Namespace',
			metadata: {
				name: namespace,
				annotations: { 'example.com/vaults': 'payments.vault.azure.net, shop.vault.azure.net' },
			},
		},
		...example('quota.yaml').map((each) => ({ ...each, metadata: { ...each.metadata, namespace } })),
		...policies,
	])
	created.push(...policies.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`))
	const probe = { vault: { url: 'https://probe.vault.azure.net' } }
	await until('the policy is in force', async () => {
		const error = await create('probe', probe).then(
			() => undefined,
			(reason: unknown) => String(reason),
		)
		if (error === undefined) await kubectl(stage.target, ['-n', namespace, 'delete', 'asb', 'probe'])
		return error?.includes('spec.vault.url must name one of the vaults')
	})
})
afterAll(async () => {
	for (const each of created) await kubectl(stage.target, ['delete', each, '--ignore-not-found'])
	await kubectl(stage.target, ['delete', 'namespace', namespace, '--wait=false', '--ignore-not-found'])
	await stage?.close()
})

it('a vault of another namespace is refused, with those that are allowed', () =>
	refused('other', { vault: { url: 'https://salaries.vault.azure.net' } }, /payments\.vault\.azure\.net, shop\.vault/))
it('a binding that leaves the vault to its ServiceAccount is refused: the policy cannot see it', () =>
	refused('unnamed', { vault: undefined }, /spec\.vault\.url must name/))
it.each([{ refresh: { interval: '30s' } }, { refresh: undefined }])('%j polls too often', (spec) =>
	refused('often', spec, /must be 120s or more/),
)
it('the twenty-first binding of a namespace is refused, with the numbers', { timeout: 120_000 }, async () => {
	const used = () =>
		kubectl(stage.target, [
			...['-n', namespace, 'get', 'resourcequota', 'azure-secret-bindings'],
			...['-o', String.raw`jsonpath={.status.used.count/azuresecretbindings\.secrets\.purista\.dev}`],
		])
	// Until its controller knows the resource, the API server refuses all of them: "status unknown for quota".
	await until('the quota counts', async () => (await used()) === '0', { timeoutMs: 90_000 })
	for (let i = 1; i <= 20; i++) await create(`b-${i}`, {})
	await until('the quota has counted them', async () => (await used()) === '20', { timeoutMs: 90_000 })
	await refused('b-21', {}, /exceeded quota: azure-secret-bindings/)
})
