import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { type Account, openAccount } from './account.ts'
import { events, openRow, type Row, refusedFirst, refusedLater, stalled } from './fault-case.ts'
import { runLine } from './printed-line.ts'
import { condition, isTrue, kubectlLine, openStage, type Stage, value } from './stage.ts'

// The row "API server 403": each verb that the operator needs, taken away while it runs.

describe('an operator whose Role lacks a verb', () => {
	let stage: Stage
	let account: Account
	beforeAll(async () => {
		stage = await openStage({ name: 'verbs' })
		account = await openAccount(stage)
		await stage.start({ kubeConfig: account.kubeConfig, serviceAccount: 'operator' })
	})
	afterAll(() => stage?.close())
	const ask = (row: Row) => stage.annotate(row.name, { 'secrets.purista.dev/requested-at': 'now' })

	/** What printed lines gave goes again. */
	const forgetGrants = async () => {
		for (const kind of ['roles', 'rolebindings']) {
			const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${stage.namespace}/${kind}`
			const { items } = await stage.api.request<{ items: { metadata: { name: string } }[] }>({ method: 'GET', path })
			for (const { metadata } of items)
				if (metadata.name !== 'operator')
					await stage.api.request({ method: 'DELETE', path: `${path}/${metadata.name}` })
		}
	}

	it('patch secrets: nothing is missing until something changes; then refused, and nothing is lost', async () => {
		const row = await openRow(stage, 'change')
		await row.deliver()
		const giveBack = await account.without('secrets', 'patch')
		await ask(row)
		await row.fresh()
		await stage.emulator.control.setSecret({ vault: row.vault, name: 'db', value: 'rotated' })
		await stalled(row, 'SecretWriteRefused', 'cannot patch resource "secrets"', 'system:serviceaccount:')
		await row.untouched()
		await giveBack()
		await row.fresh()
		expect(value(await row.secret(), 'db')).toBe('rotated')
	})

	it('get secrets: refused in the words of the API server, and the data stay', async () => {
		const row = await openRow(stage, 'patch')
		await row.deliver()
		const giveBack = await account.without('secrets', 'get')
		await ask(row)
		await stalled(row, 'SecretWriteRefused', 'cannot get resource "secrets"', 'system:serviceaccount:')
		await row.untouched()
		await giveBack()
		await row.fresh()
		await row.untouched()
		await row.told(refusedLater('SecretWriteRefused'))
	})

	it('create secrets: nothing is delivered, and all is as soon as it may be', async () => {
		const row = await openRow(stage, 'create')
		const giveBack = await account.without('secrets', 'create')
		await row.apply()
		await stalled(row, 'SecretWriteRefused', 'cannot create resource "secrets"')
		expect(await row.secret()).toBeUndefined()
		await giveBack()
		await row.fresh()
		await row.told(refusedFirst('SecretWriteRefused'))
	})

	it('delete secrets: the Secret under the new name is there, and the old one is not forgotten', async () => {
		const row = await openRow(stage, 'delete')
		await row.deliver()
		const giveBack = await account.without('secrets', 'delete')
		await row.apply({ delivery: { secret: { name: 'renamed' } } })
		await stalled(row, 'SecretWriteRefused', 'cannot delete resource "secrets"', 'under its old name')
		await row.untouched()
		expect(value(await stage.secret('renamed'), 'db')).toBe('value of delete')
		await giveBack()
		await row.fresh()
		expect(await row.secret()).toBeUndefined()
		await row.told(refusedLater('SecretWriteRefused'))
	})

	it('get serviceaccounts: what was delivered stays Ready', async () => {
		const row = await openRow(stage, 'account')
		await row.deliver()
		const giveBack = await account.without('serviceaccounts', 'get')
		const stale = await row.stale('TokenRequestRefused')
		expect(condition(stale, 'Fresh')?.message).toContain('cannot get resource "serviceaccounts"')
		expect(isTrue(stale, 'Ready')).toBe(true)
		expect(condition(stale, 'Stalled')).toBeUndefined()
		await row.untouched()
		await giveBack()
		await row.fresh()
		await row.told({
			'Normal Deliver Delivered': 1,
			'Normal Look Current': 1,
			'Warning Look TokenRequestRefused': 1,
		})
	})

	it('create serviceaccounts/token: told apart from a refusal by Entra', async () => {
		const row = await openRow(stage, 'token')
		const giveBack = await account.without('serviceaccounts/token', 'create')
		await row.apply()
		await stalled(row, 'TokenRequestRefused', 'cannot create resource "serviceaccounts/token"', 'payments')
		await giveBack()
		await row.fresh()
		await row.told(refusedFirst('TokenRequestRefused'))
	})

	it.each<[string, string, string, string, (row: Row) => Promise<void>]>([
		['secrets', 'get', 'l-read', 'SecretWriteRefused', (row) => row.deliver()],
		['secrets', 'create', 'l-create', 'SecretWriteRefused', async () => {}],
		['serviceaccounts', 'get', 'l-get', 'TokenRequestRefused', (row) => row.deliver()],
		['serviceaccounts/token', 'create', 'l-token', 'TokenRequestRefused', async () => {}],
	])('%s, %s: the printed line gives it', async (resource, verb, name, reason, begin) => {
		const row = await openRow(stage, name)
		await begin(row)
		const giveBack = await account.without(resource, verb)
		await row.apply()
		await ask(row)
		const message = condition(await row.stale(reason), 'Fresh')?.message ?? ''
		await runLine(stage, kubectlLine(message))
		await row.fresh()
		expect(value(await row.secret(), 'db')).toBe(`value of ${row.name}`)
		await forgetGrants()
		await giveBack()
	})

	it('delete secrets: the printed line gives it, for the Secret of the old name only', async () => {
		const row = await openRow(stage, 'old')
		await row.deliver()
		const giveBack = await account.without('secrets', 'delete')
		await row.apply({ delivery: { secret: { name: 'new' } } })
		const message = condition(await row.stale('SecretWriteRefused'), 'Fresh')?.message ?? ''
		expect(message).toContain('--verb=delete --resource=secrets --resource-name=old-secrets')
		await runLine(stage, kubectlLine(message))
		await row.fresh()
		expect(await row.secret()).toBeUndefined()
		await giveBack()
	})

	it.each([
		['events', 'create', {}],
		// Once, though it is tried again for ten minutes.
		['pods', 'list', { 'Warning RefreshPods PodsNotRefreshed': 1 }],
		// Nobody mounts the Secret, so nobody was to be annotated.
		['pods/status', 'patch', {}],
	])('%s, %s: delivery does without, and is told what it lacks', async (resource, verb, told) => {
		const row = await openRow(stage, resource.replace('/', '-'))
		await row.deliver()
		const giveBack = await account.without(resource, verb)
		await stage.emulator.control.setSecret({ vault: row.vault, name: 'db', value: 'rotated' })
		await until('the value', async () => value(await row.secret(), 'db') === 'rotated', { timeoutMs: 30_000 })
		expect(isTrue(await row.fresh(), 'Fresh')).toBe(true)
		await row.told({ 'Normal Deliver Delivered': 1, ...told })
		await giveBack()
	})

	it.each([
		['pods', 'list'],
		['pods/status', 'patch'],
	])('%s, %s: the line in the event gives it, and pods that mount the Secret are told', async (resource, verb) => {
		const row = await openRow(stage, `line-${verb}`)
		await row.deliver()
		const giveBack = await account.without(resource, verb)
		const pods = `/api/v1/namespaces/${stage.namespace}/pods`
		await stage.create(pods, {
			metadata: { name: row.name },
			spec: {
				// Nobody runs it: what counts is what it asks for.
				schedulerName: 'nobody',
				containers: [{ name: 'app', image: 'example.com/none', volumeMounts: [{ name: 's', mountPath: '/s' }] }],
				volumes: [{ name: 's', secret: { secretName: `${row.name}-secrets` } }],
			},
		})
		await stage.merge(`${pods}/${row.name}/status`, { status: { phase: 'Running' } })
		await stage.emulator.control.setSecret({ vault: row.vault, name: 'db', value: 'rotated' })
		const note = await until('the event', async () => {
			const all = await events(stage)
			return all.find(({ regarding, reason }) => regarding.name === row.name && reason === 'PodsNotRefreshed')?.note
		})
		await runLine(stage, kubectlLine(note))
		await until('the annotation', async () => {
			const { metadata } = await stage.api.request<{ metadata: { annotations?: Record<string, string> } }>({
				method: 'GET',
				path: `${pods}/${row.name}`,
			})
			return metadata.annotations?.['secrets.purista.dev/refreshed']
		})
		await stage.api.request({ method: 'DELETE', path: `${pods}/${row.name}` })
		await forgetGrants()
		await giveBack()
	})
})
