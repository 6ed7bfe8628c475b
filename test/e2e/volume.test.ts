import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Ask } from '../azure/checks.ts'
import { volumeSmoke } from '../azure/smoke.ts'
import { applyBinding } from '../kit/binding.ts'
import { applyObjects, kubectl } from '../kit/kubectl.ts'
import {
	deletePod,
	eventsOf,
	filesOf,
	inPod,
	installNodeRole,
	MOUNT_PATH,
	podRuns,
	removeNodeRole,
	sha256,
	startVolumePod,
	volumesOnNode,
} from '../kit/node-role.ts'
import { createTenant, type Tenant } from '../kit/tenant.ts'
import { until } from '../kit/until.ts'
import { connectWorld, type World } from '../kit/world.ts'

const VAULT = 'volume'
const volume = (spec: Record<string, unknown> = {}) => ({ delivery: { type: 'Volume', ...spec } })

describe('pods that mount a memory volume', () => {
	let world: World
	let tenant: Tenant
	const set = async (name: string, value: string) => world.control.setSecret({ vault: VAULT, name, value })
	const shaIn = async (pod: string, name: string) => (await filesOf(world, tenant, pod)).files[name]?.sha256
	const told = (pod: string, reason: string) =>
		until(`an event ${reason} of the pod ${pod}`, async () =>
			(await eventsOf(world, tenant, pod)).find((event) => event.reason === reason),
		)

	beforeAll(async () => {
		world = await connectWorld()
		// Nothing is granted to the operator: volumes need nothing of it.
		tenant = await createTenant({ ...world, name: 'volume', vault: VAULT, grant: false })
		await kubectl(world.target, [
			'label',
			'namespace',
			tenant.namespace,
			'pod-security.kubernetes.io/enforce=restricted',
			'--overwrite',
		])
		await installNodeRole(world)
	})
	afterAll(async () => {
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pods', '--all', '--timeout=90s'])
		await tenant?.remove()
		await removeNodeRole(world)
	})

	it('a pod of a restricted namespace starts with its files, read-only and in memory, and no Secret is made', async () => {
		const value = world.canary('volume-first')
		await set('db', value)
		await applyBinding(world, tenant, { secrets: [{ name: 'db' }], spec: volume() })
		await startVolumePod(world, tenant, { name: 'first' })
		await podRuns(world, tenant, 'first')
		const { files, mount } = await filesOf(world, tenant, 'first')
		expect(files['db']).toEqual({ sha256: sha256(value), bytes: Buffer.byteLength(value), mode: '444', gid: 0 })
		expect(files['.binding.json']).toBeDefined()
		expect(mount).toMatch(/^tmpfs \S+ tmpfs ro,/)
		expect((await kubectl(world.target, ['-n', tenant.namespace, 'get', 'secrets', '-o', 'name'])).trim()).toBe('')
	})

	it('a rotation in the vault reaches the running pod', async () => {
		const value = world.canary('volume-second')
		await set('db', value)
		await until('the new value in the pod', async () => (await shaIn('first', 'db')) === sha256(value))
	})

	it('fsGroup owns the files, which nobody else reads', async () => {
		await startVolumePod(world, tenant, { name: 'group', fsGroup: 2000 })
		await podRuns(world, tenant, 'group')
		expect((await filesOf(world, tenant, 'group')).files['db']).toMatchObject({ mode: '440', gid: 2000 })
	})

	it('a pod of another ServiceAccount, of no binding, or with a token of its own is told why it does not start', async () => {
		await applyObjects(world.target, [
			{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: tenant.namespace, name: 'other' } },
		])
		await startVolumePod(world, tenant, { name: 'other', serviceAccount: 'other' })
		await startVolumePod(world, tenant, { name: 'nothing', binding: 'nothing' })
		const forged = { 'csi.storage.k8s.io/serviceAccount.tokens': '{}' }
		await startVolumePod(world, tenant, { name: 'forged', attributes: forged })
		expect((await told('other', 'SecretsNotMounted')).note).toContain('Write serviceAccountName: payments into the pod')
		expect((await told('nothing', 'SecretsNotMounted')).note).toContain('has no AzureSecretBinding nothing')
		expect((await told('forged', 'FailedMount')).note).toContain('take it out of volumeAttributes')
		for (const name of ['other', 'nothing', 'forged']) await deletePod(world, tenant, name)
	})

	it('a pod waits for a secret that is absent, and starts when it comes; one that runs keeps what it has', async () => {
		const late = world.canary('volume-late')
		await applyBinding(world, tenant, { secrets: [{ name: 'db' }, { name: 'late' }], spec: volume() })
		await startVolumePod(world, tenant, { name: 'waiting' })
		expect((await told('waiting', 'SecretsNotMounted')).note).toContain('late')
		expect(await shaIn('first', 'db')).toBeDefined()
		await set('late', late)
		await podRuns(world, tenant, 'waiting')
		expect(await shaIn('waiting', 'late')).toBe(sha256(late))
		await until('the new file in the pod that runs', async () => (await shaIn('first', 'late')) === sha256(late))
	})

	it('a secret that is deleted in the vault stays in the pod that runs, and a new pod is told of it', async () => {
		const before = await shaIn('first', 'late')
		await world.control.deleteSecret({ vault: VAULT, name: 'late' })
		// The vault says it twice, ten seconds apart.
		const script = `console.log(JSON.parse(require('node:fs').readFileSync('${MOUNT_PATH}/.binding.json')).secrets.late.state)`
		await until('state Absent', async () => (await inPod(world, tenant, 'first', script)).trim() === 'Absent')
		await startVolumePod(world, tenant, { name: 'too-late' })
		expect((await told('too-late', 'SecretsNotMounted')).note).toMatch(/SecretAbsent.*late/s)
		expect(await shaIn('first', 'late')).toBe(before)
		await deletePod(world, tenant, 'too-late')
		await applyBinding(world, tenant, { secrets: [{ name: 'db' }], spec: volume() })
	})

	it('selectors bring 200 secrets, and each is there', async () => {
		const values = Array.from({ length: 200 }, (_, i) => [`many-${i}`, world.canary(`volume-many-${i}`)] as const)
		for (const [name, value] of values) await set(name, value)
		await applyBinding(world, tenant, {
			name: 'many',
			secrets: [],
			spec: { ...volume(), select: [{ prefix: 'many-' }] },
		})
		await startVolumePod(world, tenant, { name: 'many', binding: 'many' })
		await podRuns(world, tenant, 'many', 120)
		const { files } = await filesOf(world, tenant, 'many')
		for (const [name, value] of values) expect(files[name]?.sha256).toBe(sha256(value))
		await deletePod(world, tenant, 'many')
	})

	it('while the node role is replaced, pods start and those that run keep their files and follow the vault', async () => {
		await installNodeRole(world)
		await startVolumePod(world, tenant, { name: 'after' })
		await podRuns(world, tenant, 'after')
		const value = world.canary('volume-third')
		await set('db', value)
		// The kubelet hands the volumes of before to the new process with its next call, within a minute and a half.
		const both = async () =>
			(await shaIn('first', 'db')) === sha256(value) && (await shaIn('after', 'db')) === sha256(value)
		await until('the new value in both', both, { timeoutMs: 150_000 })
	})

	it('the Volume smoke of azure-check sees a value and its rotation in a pod', async () => {
		const ask: Ask = async (path, { body } = {}) => {
			await set(/^\/secrets\/([^?]+)/.exec(path)?.[1] ?? '', (body as { value: string }).value)
			return { status: 200, headers: {}, body: {} }
		}
		const { namespace, serviceAccount } = tenant
		const results = await volumeSmoke({
			...{ access: world.target, namespace, serviceAccount, vaultUrl: `https://${VAULT}.vault.azure.net`, ask },
			...{ prefix: 'asb-check-e2e00000-', image: world.images.service, timeoutMs: 120_000 },
		})
		expect(results.map(({ problem, notAsked }) => problem ?? notAsked)).toEqual([undefined, undefined, undefined])
	})

	it('pods that are gone leave nothing on the node', async () => {
		await kubectl(world.target, ['-n', tenant.namespace, 'delete', 'pods', '--all', '--timeout=90s'])
		await until('an empty node', async () => (await volumesOnNode(world)).length === 0)
	})
})
