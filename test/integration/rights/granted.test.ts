// The operator with the rights of the default profile and nothing else, behind its admission policies, until the namespace grants.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyObjects, kubectl } from '../../kit/kubectl.ts'
import { until } from '../../kit/until.ts'
import { runLine } from '../operator/printed-line.ts'
import {
	type BindingObject,
	condition,
	isTrue,
	kubectlLine,
	openStage,
	type RunningOperator,
	type Stage,
	value,
} from '../operator/stage.ts'
import { ACCOUNT, installProfile, type Profile } from './profile.ts'

const POD = 'azure-secret-binding-operator-0'

describe('an operator of the default profile', () => {
	let stage: Stage
	let profile: Profile
	let operator: RunningOperator
	beforeAll(async () => {
		stage = await openStage({ name: 'granted' })
		profile = await installProfile(stage.target, 'default')
		// The ClusterRole that the printed line names.
		await kubectl(stage.target, [
			'apply',
			'--server-side',
			'--force-conflicts',
			'-f',
			'deploy/kustomize/base/tenant.yaml',
		])
		const restricted = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
		await applyObjects(stage.target, [
			{
				apiVersion: 'v1',
				kind: 'Pod',
				metadata: { namespace: profile.home, name: POD, labels: { app: 'operator' } },
				spec: {
					// It runs in this process: the pod is only what it asks about.
					schedulerName: 'nobody',
					securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
					containers: [{ name: 'operator', image: 'example.com/none', securityContext: restricted }],
				},
			},
		])
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: 'one' })
	})
	afterAll(async () => {
		await stage?.close()
		await profile?.remove()
	})
	const start = (wait: boolean, namespaces = [stage.namespace]) =>
		stage.start({
			namespaces,
			home: profile.home,
			serviceAccount: ACCOUNT,
			identity: POD,
			allowUnfenced: false,
			kubeConfig: stage.connect({ token: profile.token }),
			wait,
		})
	const policies = (name: string) =>
		profile.objects.filter(
			({ kind, metadata }) =>
				kind === 'ValidatingAdmissionPolicyBinding' && metadata.name.endsWith(`azure-secret-binding-${name}`),
		)

	it.each(['tokens', 'secrets', 'pods', 'events'])('waits while the policy for %s is not in force', async (name) => {
		const [binding] = policies(name)
		if (!binding) throw new Error(`the profile has no policy for ${name}`)
		await kubectl(stage.target, ['delete', 'validatingadmissionpolicybinding', binding.metadata.name])
		// The API server learns of it by a watch of its own.
		await until(
			'an operator that waits',
			async () => {
				const one = await start(false)
				const waits = () =>
					one.logs.some((line) => line.includes(`not in force: azure-secret-binding-${name} refuses nothing.`))
				const ready = one.ready.then(
					() => 'ready',
					() => 'stopped',
				)
				const said = until('its word', () => Promise.resolve(waits()), { everyMs: 20 }).then(() => 'waits')
				if ((await Promise.race([ready, said])) === 'ready') {
					await one.stop()
					return false
				}
				operator = one
				return true
			},
			{ timeoutMs: 60_000 },
		)
		expect(operator.logs.filter((line) => line.includes('waiting: '))).toHaveLength(1)
		expect(operator.logs.some((line) => line.includes('lease holder'))).toBe(false)
		await applyObjects(stage.target, [binding])
		await operator.ready
		expect(operator.logs.some((line) => line.includes('all admission policies are in force'))).toBe(true)
		await operator.stop()
	})

	it('says NotGranted, Stalled, with a line that makes the binding Ready', async () => {
		operator = await start(true)
		await stage.apply('payments', { secrets: [{ name: 'a' }] })
		const refused = await stage.wait('payments', 'a refusal', (binding) => isTrue(binding, 'Stalled'))
		expect(condition(refused, 'Ready')).toMatchObject({ status: 'False', reason: 'NotGranted' })
		expect(condition(refused, 'Stalled')).toMatchObject({ reason: 'NotGranted' })
		const line = kubectlLine(condition(refused, 'Fresh')?.message ?? '')
		expect(line).toBe(
			`kubectl -n ${stage.namespace} create rolebinding azure-secret-binding --clusterrole=azure-secret-binding-tenant --serviceaccount=${profile.home}:${ACCOUNT}`,
		)
		await runLine(stage, line)
		await stage.wait('payments', 'delivery', (binding) => isTrue(binding, 'Ready') && isTrue(binding, 'Fresh'))
		expect(value(await stage.secret('payments-secrets'), 'a')).toBe('one')
	})

	it('says it of a binding that nodes deliver, with a line that gives no Secret and no pod', async () => {
		const [volumes, role] = [`${stage.namespace}-volumes`, 'azure-secret-binding-tenant-volume']
		await stage.addNamespace(volumes)
		await stage.apply('payments', { secrets: [{ name: 'a' }], delivery: { type: 'Volume' } }, volumes)
		await operator.stop()
		operator = await start(true, [volumes])
		const seen = (what: string, is: (binding: BindingObject) => unknown) =>
			until(what, async () => {
				const binding = await stage.binding('payments', volumes)
				return is(binding) ? binding : undefined
			})
		const refused = await seen('a refusal', (binding) => condition(binding, 'Fresh')?.reason === 'NotGranted')
		const line = kubectlLine(condition(refused, 'Fresh')?.message ?? '')
		expect(line).toContain(`--clusterrole=${role} `)
		await runLine(stage, line)
		await seen('delivery', (binding) => isTrue(binding, 'Ready') && isTrue(binding, 'Fresh'))
		const can = (...what: string[]) =>
			kubectl(stage.target, [
				'-n',
				volumes,
				'auth',
				'can-i',
				...what,
				`--as=system:serviceaccount:${profile.home}:${ACCOUNT}`,
			])
		for (const what of ['get secrets', 'create secrets', 'list pods'])
			await expect(can(...what.split(' '))).rejects.toThrow()
		expect(await can('create', 'serviceaccounts', '--subresource=token')).toContain('yes')
		await operator.stop()
		operator = await start(true)
	})

	it('follows rotations with these rights, and is refused nothing', async () => {
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'a', value: 'two' })
		await until('two', async () => value(await stage.secret('payments-secrets'), 'a') === 'two')
		const from = operator.logs.length
		await stage.annotate('payments', { 'secrets.purista.dev/requested-at': 'now' })
		await stage.wait('payments', 'the look', ({ status }) => status?.lastHandledRequest === 'now')
		expect(operator.logs.slice(from).join('')).not.toMatch(/cannot (get|list|watch|create|patch|update|delete)/)
	})

	it('leaves a Secret alone that is not its own, and reads it by nothing but a GET', async () => {
		await stage.create(`/api/v1/namespaces/${stage.namespace}/secrets`, {
			metadata: { name: 'theirs' },
			stringData: { a: 'not ours' },
		})
		await stage.apply('foreign', { secrets: [{ name: 'a' }], delivery: { secret: { name: 'theirs' } } })
		const refused = await stage.wait('foreign', 'a refusal', (binding) => isTrue(binding, 'Stalled'))
		expect(condition(refused, 'Ready')).toMatchObject({ reason: 'SecretNotOurs' })
		expect(value(await stage.secret('theirs'), 'a')).toBe('not ours')
	})

	it('says NotGranted when the grant is taken away, and keeps what it delivered', async () => {
		await kubectl(stage.target, ['-n', stage.namespace, 'delete', 'rolebinding', 'azure-secret-binding'])
		const stale = await stage.wait('payments', 'a refusal', (binding) => !isTrue(binding, 'Fresh'))
		expect(condition(stale, 'Fresh')).toMatchObject({ status: 'False', reason: 'NotGranted' })
		expect(isTrue(stale, 'Ready')).toBe(true)
		expect(value(await stage.secret('payments-secrets'), 'a')).toBe('two')
	})
})
