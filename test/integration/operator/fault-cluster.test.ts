import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { flaps } from '../../kit/kstatus.ts'
import { kubectl } from '../../kit/kubectl.ts'
import { until } from '../../kit/until.ts'
import { type Account, openAccount } from './account.ts'
import { openRow, type Row } from './row.ts'
import { condition, isTrue, kubectlLine, openStage, type Stage, value } from './stage.ts'

// Rows of the table of faults that the cluster itself makes: what the API server refuses, and Secrets that cannot be written.

/** What a binding is told that was refused at first sight and then mended. */
const refusedFirst = (reason: string) => ({
	[`Warning Deliver ${reason}`]: 1,
	[`Warning Look ${reason}`]: 1,
	'Normal Deliver Delivered': 1,
	'Normal Look Current': 1,
})
/** The same of one that was delivered before. */
const refusedLater = (reason: string) => ({
	...refusedFirst(reason),
	'Normal Deliver Delivered': 2,
	'Normal Look Current': 2,
})

const stalled = async (row: Row, reason: string, ...says: string[]): Promise<string> => {
	const binding = await row.stale(reason)
	expect(condition(binding, 'Ready')).toMatchObject({ status: 'False', reason })
	expect(condition(binding, 'Stalled')).toMatchObject({ status: 'True', reason })
	expect(condition(binding, 'Reconciling')).toBeUndefined()
	const { message } = condition(binding, 'Fresh') ?? { message: '' }
	for (const part of says) expect(message).toContain(part)
	return message
}
const run = (stage: Stage, message: string) => kubectl(stage.target, kubectlLine(message).split(' ').slice(1))

describe('an operator whose Role lacks a verb', () => {
	let stage: Stage
	let account: Account
	beforeAll(async () => {
		stage = await openStage({ name: 'verbs' })
		account = await openAccount(stage)
		await stage.start({ kubeConfig: account.kubeConfig() })
	})
	afterAll(() => stage?.close())
	const ask = (row: Row) => stage.annotate(row.name, { 'secrets.purista.dev/requested-at': 'now' })

	it('patch secrets: refused in the words of the API server, and the data stay', async () => {
		const row = await openRow(stage, 'patch')
		await row.deliver()
		const giveBack = await account.without('secrets', 'patch')
		await ask(row)
		await stalled(row, 'SecretWriteRefused', 'cannot patch resource "secrets"', 'system:serviceaccount:')
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
			'Normal Look Current': 2,
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

	// Design 6 promises the line to run; what stands there is only the API server's sentence.
	it.todo('is told the line that gives the verb: kubectl apply of the Role, or a rolebinding')

	it.each([
		['events', 'create'],
		['pods', 'list'],
		['pods/status', 'patch'],
	])('%s, %s: delivery does without', async (resource, verb) => {
		const row = await openRow(stage, resource.replace('/', '-'))
		await row.deliver()
		const giveBack = await account.without(resource, verb)
		await stage.emulator.control.setSecret({ vault: row.vault, name: 'db', value: 'rotated' })
		await until('the value', async () => value(await row.secret(), 'db') === 'rotated', { timeoutMs: 30_000 })
		expect(isTrue(await row.fresh(), 'Fresh')).toBe(true)
		expect(flaps(stage.versions(row.name))).toEqual([])
		await giveBack()
	})
})

describe.concurrent('a Secret', () => {
	let stage: Stage
	let secrets: string
	beforeAll(async () => {
		stage = await openStage({ name: 'refused' })
		secrets = `/api/v1/namespaces/${stage.namespace}/secrets`
		await stage.start()
	})
	afterAll(() => stage?.close())

	it('over the quota of the namespace', async () => {
		const row = await openRow(stage, 'quota')
		await stage.addNamespace(`${stage.namespace}-quota`)
		const quotas = `/api/v1/namespaces/${stage.namespace}-quota/resourcequotas`
		await stage.create(quotas, { metadata: { name: 'none' }, spec: { hard: { 'count/secrets': '0' } } })
		// What the quota controller would find out.
		const counted = { hard: { 'count/secrets': '0' }, used: { 'count/secrets': '0' } }
		await stage.merge(`${quotas}/none/status`, { status: counted })
		const namespace = `${stage.namespace}-quota`
		await stage.start({ namespaces: [namespace], home: namespace })
		const { clientId, vault } = row
		await stage.emulator.control.addFederatedCredential({
			clientId,
			name: 'quota',
			issuer: stage.issuer,
			subject: `system:serviceaccount:${namespace}:payments`,
			audience: 'api://AzureADTokenExchange',
		})
		const spec = {
			vault: { url: `https://${vault}.vault.azure.net` },
			identity: { serviceAccountName: 'payments', clientId },
			secrets: [{ name: 'db' }],
		}
		await stage.apply('payments', spec, namespace)
		const binding = await until('Stalled', async () => {
			const found = await stage.binding('payments', namespace)
			return isTrue(found, 'Stalled') && found
		})
		expect(condition(binding, 'Ready')).toMatchObject({ status: 'False', reason: 'SecretWriteRefused' })
		expect(condition(binding, 'Ready')?.message).toContain('exceeded quota: none')
		expect(await stage.secret('payments-secrets', namespace)).toBeUndefined()
		await stage.api.request({ method: 'DELETE', path: `${quotas}/none` })
		await until('the Secret', async () => isTrue(await stage.binding('payments', namespace), 'Fresh'))
		expect(value(await stage.secret('payments-secrets', namespace), 'db')).toBe('value of quota')
	})

	it('that a policy of the cluster refuses', async () => {
		const row = await openRow(stage, 'engine')
		const end = await refuseByPolicy(stage, {
			operation: 'CREATE',
			name: 'engine-secrets',
			expression: "has(object.metadata.labels) && 'team' in object.metadata.labels",
			message: 'every Secret has a label team',
		})
		try {
			await row.apply()
			await stalled(row, 'SecretWriteRefused', 'every Secret has a label team')
			expect(await row.secret()).toBeUndefined()
			await row.apply({ delivery: { secret: { name: 'engine-secrets', labels: { team: 'payments' } } } })
			await row.fresh()
			await row.told(refusedFirst('SecretWriteRefused'))
		} finally {
			await end()
		}
	})

	it("that a policy of the cluster refuses to change is not called somebody else's", async () => {
		const row = await openRow(stage, 'freeze')
		await row.deliver()
		const end = await refuseByPolicy(stage, {
			operation: 'UPDATE',
			name: 'freeze-secrets',
			expression: "object.metadata.name == ''",
			message: 'no changes this week',
		})
		try {
			await stage.annotate('freeze', { 'secrets.purista.dev/requested-at': 'now' })
			const binding = await stage.wait('freeze', 'Stalled', (b) => isTrue(b, 'Stalled'))
			expect(condition(binding, 'Ready')).toMatchObject({ reason: 'SecretWriteRefused' })
			expect(condition(binding, 'Ready')?.message).toContain('no changes this week')
			await row.untouched()
		} finally {
			await end()
		}
		await row.fresh()
		await row.told(refusedLater('SecretWriteRefused'))
	})

	it('that exists and is not ours: untouched, and adopted with the printed line', async () => {
		const row = await openRow(stage, 'foreign')
		await stage.create(secrets, { metadata: { name: 'foreign-secrets' }, stringData: { db: 'theirs', other: 'stays' } })
		const theirs = await row.secret()
		await row.apply()
		const message = await stalled(row, 'SecretNotOurs', 'foreign-secrets')
		expect(await row.secret()).toEqual(theirs)
		await run(stage, message)
		await row.fresh()
		expect(value(await row.secret(), 'db')).toBe('value of foreign')
		expect(value(await row.secret(), 'other')).toBe('stays')
		await row.told(refusedFirst('SecretNotOurs'))
	})

	it('that a controller of somebody else holds, whatever its label says', async () => {
		const row = await openRow(stage, 'controlled')
		const uid = '00000000-0000-4000-8000-000000000000'
		const owner = { apiVersion: 'bitnami.com/v1alpha1', kind: 'SealedSecret', name: 'sealed', uid, controller: true }
		const labels = { 'secrets.purista.dev/binding': 'controlled' }
		const metadata = { name: 'controlled-secrets', labels, ownerReferences: [owner] }
		await stage.create(secrets, { metadata, stringData: { db: 'theirs' } })
		const theirs = await row.secret()
		await row.apply()
		await stalled(row, 'SecretNotOurs', 'SealedSecret sealed')
		expect(await row.secret()).toEqual(theirs)
		await stage.merge(`${secrets}/controlled-secrets`, { metadata: { ownerReferences: null } })
		await row.fresh()
		expect(value(await row.secret(), 'db')).toBe('value of controlled')
		await row.told(refusedFirst('SecretNotOurs'))
	})

	it('of another binding: untouched, and the other one is named', async () => {
		const [first, row] = [await openRow(stage, 'first'), await openRow(stage, 'second')]
		await first.deliver()
		await row.apply({ delivery: { secret: { name: 'first-secrets' } } })
		await stalled(row, 'SecretOfOtherBinding', 'belongs to the binding first')
		await first.untouched()
		expect(isTrue(await first.binding(), 'Fresh')).toBe(true)
		await row.apply()
		await row.fresh()
		await row.told(refusedFirst('SecretOfOtherBinding'))
	})

	it('that is immutable: the printed line deletes it, and it is made anew', async () => {
		const row = await openRow(stage, 'immutable')
		await row.deliver()
		await stage.merge(`${secrets}/immutable-secrets`, { immutable: true }, { fieldManager: 'somebody' })
		const before = await row.secret()
		await stage.emulator.control.setSecret({ vault: row.vault, name: 'db', value: 'rotated' })
		const message = await stalled(row, 'SecretImmutable', 'immutable-secrets')
		expect(await row.secret()).toEqual(before)
		await run(stage, message)
		await row.fresh()
		expect(value(await row.secret(), 'db')).toBe('rotated')
		await row.told(refusedLater('SecretImmutable'))
	})

	it('of another type: the printed line deletes it, and it is made anew', async () => {
		const row = await openRow(stage, 'type')
		await row.deliver()
		const spec = {
			secrets: [{ name: 'username', objectName: 'db' }],
			delivery: { secret: { name: 'type-secrets', type: 'kubernetes.io/basic-auth' } },
		}
		await row.apply(spec)
		const message = await stalled(row, 'SecretTypeDiffers', 'with the type Opaque')
		await row.untouched()
		await run(stage, message)
		await row.fresh()
		expect((await row.secret())?.type).toBe('kubernetes.io/basic-auth')
		await row.told(refusedLater('SecretTypeDiffers'))
	})

	it('over 1 MiB: refused as a whole, the largest named with their sizes, and back when they go', async () => {
		const row = await openRow(stage, 'large')
		await row.deliver()
		const { control } = stage.emulator
		const [small, big] = ['x'.repeat(24_000), 'y'.repeat(25_500)]
		const names = Array.from({ length: 45 }, (_, i) => `s${i}`)
		const entries = names.map((name, i) => ({ name, value: i === 7 ? big : small }))
		await control.setSecrets({ vault: row.vault, secrets: entries })
		await row.apply({ secrets: [{ name: 'db' }, ...names.map((name) => ({ name }))] })
		const message = await stalled(row, 'SecretTooLarge', 's7 (25500 bytes)', 'Kubernetes takes 1048576')
		expect(message).not.toContain('xxx')
		await row.untouched()
		await row.apply()
		await row.fresh()
		await row.told(refusedLater('SecretTooLarge'))
	})

	it('whose type asks for a key that the vault does not have', async () => {
		const row = await openRow(stage, 'keyless')
		const spec = (...secretsOf: object[]) => ({
			secrets: [{ name: 'tls.crt', objectName: 'db' }, ...secretsOf],
			delivery: { secret: { name: 'keyless-secrets', type: 'kubernetes.io/tls' } },
		})
		await row.apply(spec({ name: 'tls.key', objectName: 'absent' }))
		const binding = await stage.wait('keyless', 'Stalled', (b) => isTrue(b, 'Stalled'))
		expect(condition(binding, 'Ready')?.message).toContain('tls.key')
		expect(await row.secret()).toBeUndefined()
		await stage.emulator.control.setSecret({ vault: row.vault, name: 'absent', value: 'here now' })
		await row.fresh()
		expect(value(await row.secret(), 'tls.key')).toBe('here now')
	})
})

/** A ValidatingAdmissionPolicy of somebody else about one Secret; @returns what takes it away */
async function refuseByPolicy(
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
