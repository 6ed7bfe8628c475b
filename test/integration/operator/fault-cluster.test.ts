import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../kit/until.ts'
import { openRow, refusedFirst, refusedLater, stalled } from './fault-case.ts'
import { refuseByPolicy } from './policy.ts'
import { runLine } from './printed-line.ts'
import { condition, isTrue, kubectlLine, openStage, type Stage, value } from './stage.ts'

// Rows of the table of faults that the cluster itself makes: Secrets that cannot be written, or must not.

const run = (stage: Stage, message: string) => runLine(stage, kubectlLine(message))

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
			// Reading it back is no change, so that there has to be one.
			await stage.emulator.control.setSecret({ vault: row.vault, name: 'db', value: 'next week' })
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

	it('of a binding that is gone, as after a rename under Retain: taken over with the printed line', async () => {
		const [first, row] = [await openRow(stage, 'before'), await openRow(stage, 'renamed')]
		const delivery = { secret: { name: 'before-secrets', onDelete: 'Retain' } }
		await first.deliver({ delivery })
		await stage.remove('before')
		await row.apply({ delivery })
		const message = await stalled(row, 'SecretOfOtherBinding', 'belongs to the binding before', '--overwrite')
		await first.untouched()
		await run(stage, message)
		await row.fresh()
		expect(value(await first.secret(), 'db')).toBe('value of renamed')
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

	it('over 1 MiB: refused as a whole, the largest named with their sizes, not read again, and back when they are small', async () => {
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
		// Two pages a list: four polls with nothing but lists.
		const routes = async () =>
			(await control.requests()).filter(({ vault }) => vault === row.vault).map(({ route }) => route)
		await until('polls that read nothing', async () =>
			(await routes()).slice(-8).every((each) => each === 'listSecrets'),
		)
		await control.setSecrets({ vault: row.vault, secrets: names.slice(0, 5).map((name) => ({ name, value: 'small' })) })
		await row.fresh()
		expect(value(await row.secret(), 's4')).toBe('small')
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
