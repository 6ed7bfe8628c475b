// What `manifests` prints, the component and the way a lab points the operator to the emulator, as a real API server takes them.
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { ensureCluster } from '../../cluster/index.ts'
import { bindingObject } from '../../emulator/src/kind/binding.ts'
import { identityObjects, idOf } from '../../emulator/src/kind/identity.ts'
import { patchOperator } from '../../emulator/src/kind/install.ts'
import { manifests } from '../../emulator/src/kind/manifests.ts'
import type { HostAlias } from '../../emulator/src/kind/pods.ts'
import { applyObjects, getObject, type KubectlTarget, kubectl } from '../../kit/kubectl.ts'

const DEPLOY = join(import.meta.dirname, '../../../deploy/kustomize')
const CRD = join(DEPLOY, '../../crds/secrets.purista.dev_azuresecretbindings.yaml')
const SYSTEM = 'azure-secret-binding-system'
const NAMESPACES = ['azure-key-vault-emulator', SYSTEM, 'manifests-payments']

interface Deployment {
	spec: {
		template: {
			spec: {
				hostAliases?: HostAlias[]
				containers: Array<{ env: Array<{ name: string }>; volumeMounts?: object[]; [field: string]: unknown }>
				volumes?: object[]
			}
		}
	}
}

describe('the emulator in a cluster of somebody else', () => {
	let cluster: KubectlTarget
	let folder: string
	const podOf = async (namespace: string, name: string) =>
		(await getObject<Deployment>(cluster, ['-n', namespace, 'deployment', name])).spec.template.spec
	beforeAll(async () => {
		const quiet = { step: <T>(_: string, run: (say: (detail: string) => void) => Promise<T>) => run(() => {}) }
		cluster = await ensureCluster({ progress: quiet, holder: 'integration tests of the emulator in a cluster' })
		// kustomize accepts relative paths only, and a link on the way would make `..` mean something else.
		folder = await realpath(await mkdtemp(join(tmpdir(), 'emulator-kind-')))
	})
	afterAll(async () => {
		if (cluster) {
			// To the end: the end-to-end tests install into namespaces of these names.
			await kubectl(cluster, ['delete', 'namespace', ...NAMESPACES, '--timeout=120s', '--ignore-not-found'])
		}
		await rm(folder, { recursive: true, force: true })
	})
	const print = (...more: string[]) =>
		manifests(['--vault', 'payments', '--identity', 'manifests-payments/payments', '--ca-folder', folder, ...more], {})

	it('is applied as README says, twice, and with another seed', async () => {
		await writeFile(join(folder, 'secrets.yaml'), 'vaults: { payments: { payments-db: "a b: c\\n- d" } }')
		const seed = join(folder, 'secrets.yaml')
		await kubectl(cluster, ['apply', '-f', '-'], { input: await print('--seed', seed) })
		const service = await getObject<{ spec: { clusterIP: string } }>(cluster, [
			...['-n', 'azure-key-vault-emulator', 'service', 'emulator'],
		])
		expect(service.spec.clusterIP).toBe('10.96.0.44')
		const again = await kubectl(cluster, ['apply', '-f', '-'], { input: await print('--seed', seed) })
		expect(again.split('\n').filter((line) => line && !line.endsWith(' unchanged'))).toEqual([
			// stringData is merged into data by the API server, so kubectl sees a difference each time.
			...again.split('\n').filter((line) => line.startsWith('secret/') && line.endsWith('configured')),
		])
		await writeFile(seed, 'vaults: { payments: { payments-db: other } }')
		const other = await kubectl(cluster, ['apply', '-f', '-'], { input: await print('--seed', seed) })
		expect(other).toContain('deployment.apps/emulator configured')
	})

	it('the component leads the operator to it and changes nothing else', async () => {
		const overlay = async (more: object) => {
			const kustomization = {
				...{ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', sortOptions: { order: 'fifo' } },
				resources: [relative(folder, DEPLOY)],
				...more,
			}
			await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
			const text = await kubectl(cluster, ['kustomize', '--load-restrictor=LoadRestrictionsNone', folder])
			// Without the admission policies and the roles, which other tests install for themselves.
			return parseAllDocuments(text)
				.map((document) => (document as { toJS(): unknown }).toJS() as { kind: string })
				.filter(({ kind }) => ['Namespace', 'ServiceAccount', 'Deployment'].includes(kind))
		}
		const plain = await overlay({})
		const pointed = await overlay({ components: [relative(folder, join(DEPLOY, 'emulator'))] })
		await applyObjects(cluster, plain)
		const before = await podOf(SYSTEM, 'azure-secret-binding-operator')
		await applyObjects(cluster, pointed)
		const after = await podOf(SYSTEM, 'azure-secret-binding-operator')
		expect(after.hostAliases).toEqual([
			{ ip: '10.96.0.44', hostnames: ['login.microsoftonline.com', 'payments.vault.azure.net'] },
		])
		const [container] = after.containers
		expect(container?.env.filter(({ name }) => name.startsWith('NODE_'))).toEqual([
			{ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/emulator/ca.crt' },
		])
		const { hostAliases: _aliases, volumes: _volumes, containers: _containers, ...rest } = after
		const { containers: _plain, ...restBefore } = before
		expect(rest).toEqual(restBefore)
		const { env: _env, volumeMounts: _mounts, ...own } = container ?? { env: [] }
		const { env: _envBefore, ...ownBefore } = before.containers[0] ?? { env: [] }
		expect(own).toEqual(ownBefore)
	})

	it('a lab adds its vaults to an operator that is pointed already, and gets bindings with a grant', async () => {
		const hostnames = ['login.microsoftonline.com', 'payments.vault.azure.net', 'shop.vault.azure.net']
		await patchOperator(cluster, [{ ip: '10.96.0.44', hostnames }])
		const pod = await podOf(SYSTEM, 'azure-secret-binding-operator')
		expect(pod.hostAliases).toEqual([{ ip: '10.96.0.44', hostnames }])
		expect([pod.volumes?.length, pod.containers.length]).toEqual([1, 1])

		await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '-f', CRD])
		await kubectl(cluster, ['wait', 'crd/azuresecretbindings.secrets.purista.dev', '--for=condition=Established'])
		const identity = { namespace: 'manifests-payments', serviceAccount: 'shop', clientId: idOf('client/shop') }
		const binding = bindingObject(
			{ name: 'shop', vault: 'shop', secrets: [{ name: 'db' }], spec: { policy: { absent: 'Remove' } } },
			identity,
		)
		await applyObjects(cluster, [...identityObjects(identity, idOf('tenant')), binding])
		const stored = await getObject<{ spec: object }>(cluster, ['-n', identity.namespace, 'asb', 'shop'])
		expect(stored.spec).toMatchObject({ identity: { serviceAccountName: 'shop' }, policy: { absent: 'Remove' } })
	})
})
