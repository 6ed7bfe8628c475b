// The operator with the Roles of deploy/kustomize/namespaced and nothing else, as a ServiceAccount of its own.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { createKubeTransport, type KubeTransport } from '../../../operator/src/cluster/transport.ts'
import { kubectl } from '../../kit/kubectl.ts'
import { until } from '../../kit/until.ts'
import { condition, isTrue, openStage, type RunningOperator, type Stage, value } from './stage.ts'

interface RbacObject {
	apiVersion: string
	kind: string
	metadata: { name: string; namespace: string }
	rules?: { resources: string[]; resourceNames?: string[] }[]
	subjects?: { kind: string; name: string; namespace: string }[]
}

const SYSTEM = 'azure-secret-binding-system'
const ACCOUNT = 'azure-secret-binding-operator'
const TOKEN_REQUEST = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }

describe('an operator with Roles only', () => {
	let stage: Stage
	let operator: RunningOperator
	let home: string
	let other: string
	let unseen: string
	let roleless: string
	/** of the operator's ServiceAccount */
	let token: string
	let thief: KubeTransport
	const bindings = (namespace: string) =>
		`/apis/secrets.purista.dev/v1alpha1/namespaces/${namespace}/azuresecretbindings`

	/** What kustomize makes of the folder, for the ServiceAccount that the stage lends to the operator. */
	const rolesOf = async (folder: string): Promise<RbacObject[]> => {
		const text = await kubectl(stage.target, ['kustomize', folder])
		const objects = parseAllDocuments(text).map((each) => each.toJS() as RbacObject)
		// A ClusterRole that nothing binds gives nothing.
		expect(objects.filter(({ kind }) => kind === 'ClusterRoleBinding')).toEqual([])
		return objects
			.filter(({ kind }) => kind === 'Role' || kind === 'RoleBinding')
			.map((each) => ({
				...each,
				...(each.rules && {
					rules: each.rules.map((rule) =>
						rule.resources.includes('serviceaccounts/token') && rule.resourceNames?.includes(ACCOUNT)
							? { ...rule, resourceNames: ['payments'] }
							: rule,
					),
				}),
				...(each.subjects && {
					subjects: each.subjects.map((subject) => {
						expect(subject).toMatchObject({ name: ACCOUNT, namespace: SYSTEM })
						return { kind: 'ServiceAccount', name: 'payments', namespace: home }
					}),
				}),
			}))
	}
	const grant = async (objects: RbacObject[], namespace: string) => {
		for (const each of objects) {
			const plural = `${each.kind.toLowerCase()}s`
			const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/${plural}`
			await stage.create(path, { ...each, metadata: { name: each.metadata.name, namespace } })
		}
	}

	beforeAll(async () => {
		stage = await openStage({ name: 'namespaced' })
		const named = (end: string) => `${stage.namespace}-${end}`
		home = named('home')
		other = named('other')
		unseen = named('unseen')
		roleless = named('roleless')
		for (const namespace of [home, other, unseen, roleless]) await stage.addNamespace(namespace)
		await grant(await rolesOf('deploy/kustomize/namespaced'), home)
		const tenant = await rolesOf('deploy/kustomize/namespaced/tenant')
		expect(tenant.map(({ kind }) => kind)).toEqual(['Role', 'RoleBinding'])
		await grant(tenant, stage.namespace)
		await grant(tenant, other)
		const { status } = await stage.api.request<{ status: { token: string } }>({
			method: 'POST',
			path: `/api/v1/namespaces/${home}/serviceaccounts/payments/token`,
			body: TOKEN_REQUEST,
		})
		token = status.token
		const kubeConfig = stage.connect({ token })
		thief = createKubeTransport({ kubeConfig })
		// The API server's authoriser learns of Roles by watches of its own.
		await until('the Roles', async () => {
			for (const of of [stage.namespace, other]) await thief.request({ method: 'GET', path: bindings(of) })
			await thief.request({
				method: 'POST',
				path: `/api/v1/namespaces/${home}/serviceaccounts/payments/token`,
				query: { dryRun: 'All' },
				body: TOKEN_REQUEST,
			})
			return true
		})
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: 'one' })
		operator = await stage.start({ namespaces: [stage.namespace, other], home, kubeConfig })
	})
	afterAll(async () => {
		await thief?.close()
		await stage?.close()
	})

	const delivered = (text: string) =>
		Promise.all(
			[stage.namespace, other].map((namespace) =>
				until(
					`${text} in ${namespace}`,
					async () =>
						value(await stage.secret('payments-secrets', namespace), 'a') === text &&
						isTrue(await stage.binding('payments', namespace), 'Fresh'),
					{ timeoutMs: 30_000 },
				),
			),
		)

	it('delivers and rotates in its namespaces', async () => {
		for (const namespace of [stage.namespace, other]) {
			await stage.apply('payments', { secrets: [{ name: 'a' }] }, namespace)
		}
		await delivered('one')
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: 'two' })
		await delivered('two')
	})

	it('refreshes pods there', async () => {
		const pods = `/api/v1/namespaces/${other}/pods`
		// No kubelet runs it: a name of a node that does not exist, and a status as the kubelet would write it.
		await stage.create(pods, {
			metadata: { name: 'reader' },
			spec: {
				nodeName: `no-such-node-${other}`,
				serviceAccountName: 'payments',
				automountServiceAccountToken: false,
				containers: [{ name: 'c', image: 'none', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
				volumes: [{ name: 'v', secret: { secretName: 'payments-secrets' } }],
			},
		})
		await stage.merge(`${pods}/reader/status`, { status: { phase: 'Running' } })
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: 'for the pod' })
		await delivered('for the pod')
		const read = () =>
			stage.api.request<{ metadata: { annotations?: Record<string, string> } }>({
				method: 'GET',
				path: `${pods}/reader`,
			})
		const written = (await stage.secret('payments-secrets', other))?.metadata.resourceVersion
		await until(
			'the pod refresh',
			async () => (await read()).metadata.annotations?.['secrets.purista.dev/refreshed'] === written,
			{ timeoutMs: 30_000 },
		)
	})

	it('goes on in all of them after a restart, when each list comes by itself', async () => {
		await operator.stop()
		operator = await stage.start({ namespaces: [stage.namespace, other], home, kubeConfig: stage.connect({ token }) })
		// The rotation comes after the first looks, so that only bindings that are still known see it.
		await until('the first looks', async () =>
			[stage.namespace, other].every((namespace) =>
				operator.logs.some((line) => line.includes('reconciled') && line.includes(`"${namespace}/payments"`)),
			),
		)
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: 'after the restart' })
		await delivered('after the restart')
	})

	it('tells of a vault that is away at its own lease', async () => {
		const { control } = stage.emulator
		await control.setNetwork({ vault: stage.vault, network: 'firewall' })
		const told = async (reason: string) => {
			const { items } = await stage.api.request<{ items: { reason: string; regarding: { kind: string } }[] }>({
				method: 'GET',
				path: `/apis/events.k8s.io/v1/namespaces/${home}/events`,
			})
			return items.some((event) => event.reason === reason && event.regarding.kind === 'Lease')
		}
		await until('the event', () => told('VaultUnreachable'))
		await control.setNetwork({ vault: stage.vault, network: 'open' })
		await until('the event of its end', () => told('VaultReachable'))
	})

	it('tells the probe of the admission policies what it asks, and is refused nothing', () => {
		const logs = operator.logs.join('')
		// The tests run without the admission policies; that they could ask for it is the point here.
		expect(logs).toContain('azure-secret-binding-tokens refuses nothing; azure-secret-binding-secrets refuses nothing')
		expect(logs).toContain('azure-secret-binding-events refuses nothing')
		expect(logs).not.toContain('not watched')
		expect(logs).not.toMatch(/cannot (get|list|watch|create|patch|update|delete)/)
	})

	it('sees no other namespace', async () => {
		await stage.apply('payments', { secrets: [{ name: 'a' }] }, unseen)
		// A whole poll at another binding later, it would have been seen.
		await stage.annotate('payments', { 'secrets.purista.dev/requested-at': 'now' })
		await stage.wait('payments', 'the look', ({ status }) => status?.lastHandledRequest === 'now')
		// The default of the definition, which nobody has written over.
		expect((await stage.binding('payments', unseen)).status).toEqual({ observedGeneration: -1 })
		expect(await stage.secret('payments-secrets', unseen)).toBeUndefined()
		expect(operator.logs.join('')).not.toContain(unseen)
	})

	it('may not: other namespaces, other ServiceAccounts, other Secrets', async () => {
		const here = `/api/v1/namespaces/${stage.namespace}`
		await stage.create(`${here}/serviceaccounts`, { metadata: { name: 'boss' } })
		await stage.create(`${here}/secrets`, { metadata: { name: 'foreign' } })
		const attacks: [method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object][] = [
			['GET', bindings(unseen)],
			['GET', '/apis/secrets.purista.dev/v1alpha1/azuresecretbindings'],
			['POST', `${here}/serviceaccounts/boss/token`, TOKEN_REQUEST],
			['GET', `${here}/serviceaccounts/boss`],
			['PATCH', `${here}/secrets/foreign`, {}],
			['DELETE', `${here}/secrets/foreign`],
			['GET', `${here}/secrets/foreign`],
			['GET', `${here}/secrets`],
			['GET', `/api/v1/namespaces/${unseen}/pods`],
			['POST', `/api/v1/namespaces/${unseen}/secrets`, { metadata: { name: 'new' } }],
		]
		for (const [method, path, body] of attacks) {
			const answer = thief.request({ method, path, ...(body ? { body } : {}) })
			await expect(answer, `${method} ${path}`).rejects.toMatchObject({ kind: 'forbidden' })
		}
	})

	it('reports what the Role does not name', async () => {
		await stage.apply('unnamed', { secrets: [{ name: 'a' }], delivery: { secret: { name: 'unnamed' } } })
		const secret = await stage.wait(
			'unnamed',
			'a refusal',
			(binding) => condition(binding, 'Ready')?.status === 'False',
		)
		expect(condition(secret, 'Ready')).toMatchObject({
			reason: 'SecretWriteRefused',
			message: expect.stringContaining('cannot get resource') as string,
		})
		expect(await stage.secret('unnamed')).toBeUndefined()

		await stage.apply('boss', { secrets: [{ name: 'a' }], identity: { serviceAccountName: 'boss' } })
		const account = await stage.wait('boss', 'a refusal', (binding) => condition(binding, 'Ready')?.status === 'False')
		expect(condition(account, 'Ready')).toMatchObject({
			reason: 'TokenRequestRefused',
			message: expect.stringContaining('cannot get resource') as string,
		})
	})

	it('works on where it may when one Role is missing, and says so', async () => {
		await operator.stop()
		operator = await stage.start({
			namespaces: [roleless, stage.namespace],
			home,
			kubeConfig: stage.connect({ token }),
			wait: false,
		})
		let isReady = false
		operator.ready.then(
			() => {
				isReady = true
			},
			() => {},
		)
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: 'three' })
		await until('three', async () => value(await stage.secret('payments-secrets'), 'a') === 'three')
		const said = operator.logs.filter((line) => line.includes('bindings not watched'))
		expect(said.length).toBeGreaterThan(0)
		expect(said.every((line) => line.includes(roleless) && line.includes('forbidden'))).toBe(true)
		expect(isReady).toBe(false)
	})
})
