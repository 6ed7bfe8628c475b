import { afterEach, describe, expect, it } from 'vitest'
import { flaps } from '../../kit/kstatus.ts'
import { expectEvents } from './fault-case.ts'
import { AUDIENCE, condition, isTrue, manifest, openStage, type Stage, type StageOptions, value } from './stage.ts'

// Of the table of faults what its rows (fault-*.test.ts) do not say: times, policies, and what is no fault at all.
describe('a fault', () => {
	let stage: Stage | undefined
	afterEach(async () => {
		await stage?.close()
		stage = undefined
	})
	const open = async (options: StageOptions) => {
		stage = await openStage(options)
		await stage.emulator.control.setSecret({ vault: stage.vault, name: 'db', value: 'one' })
		await stage.start()
		return stage
	}
	const delivered = async (options: StageOptions, spec: Record<string, unknown> = {}) => {
		const at = await open(options)
		await at.apply('payments', { secrets: [{ name: 'db' }], ...spec })
		await at.wait('payments', 'Ready', (b) => isTrue(b, 'Ready') && isTrue(b, 'Fresh'))
		return at
	}
	const fresh = (at: Stage) => at.wait('payments', 'Ready and Fresh', (b) => isTrue(b, 'Ready') && isTrue(b, 'Fresh'))
	const stale = (at: Stage, reason: string) =>
		at.wait(
			'payments',
			reason,
			(b) => condition(b, 'Fresh')?.status === 'False' && condition(b, 'Fresh')?.reason === reason,
		)

	it('list denied: single reads work instead, and nothing is reported', async () => {
		const at = await open({ name: 'nolist', role: false })
		await at.emulator.control.defineRole({
			name: 'get only',
			dataActions: ['Microsoft.KeyVault/vaults/secrets/getSecret/action'],
		})
		await at.emulator.control.grant({ clientId: at.clientId, role: 'get only', vault: at.vault })
		await at.apply('payments', { secrets: [{ name: 'db' }] })
		await fresh(at)
		// From here on a list would be cheaper, if it were allowed.
		await at.wait('payments', 'settled', (b) => b.status?.secrets?.every(({ reason }) => reason === undefined))
		const { version } = await at.emulator.control.setSecret({ vault: at.vault, name: 'db', value: 'two' })
		const rotated = await at.wait('payments', 'the rotation', (b) => b.status?.secrets?.[0]?.version === version)
		expect(isTrue(rotated, 'Fresh')).toBe(true)
	})

	it('absent under Keep: kept and marked, but only after the vault said so for ten seconds', async () => {
		const at = await delivered({ name: 'keep' })
		await at.emulator.control.deleteSecret({ vault: at.vault, name: 'db' })
		const absent = await stale(at, 'SecretAbsent')
		const asked = (await at.emulator.control.requests()).filter(({ code }) => code === 'SecretNotFound')
		expect(asked.length).toBeGreaterThanOrEqual(2)
		// Ten seconds of the operator's clock are one of ours.
		expect((asked.at(-1)?.at ?? 0) - (asked[0]?.at ?? 0)).toBeGreaterThanOrEqual(950)
		expect(isTrue(absent, 'Ready')).toBe(true)
		expect(manifest(await at.secret('payments-secrets'))).toMatchObject({ secrets: { db: { state: 'Absent' } } })
		await at.emulator.control.recoverSecret({ vault: at.vault, name: 'db' })
		await fresh(at)
	})

	it('absent under Remove: removed, and back when the vault has it again', async () => {
		const at = await delivered({ name: 'remove' }, { policy: { absent: 'Remove' } })
		await at.emulator.control.deleteSecret({ vault: at.vault, name: 'db' })
		const removed = await at.wait('payments', 'none of one', (b) => b.status?.synced === '0/1')
		expect(condition(removed, 'Ready')).toMatchObject({ status: 'False', reason: 'SecretAbsent' })
		const secret = await at.secret('payments-secrets')
		expect(Object.keys(secret?.data ?? {})).toEqual(['.binding.json'])
		await at.emulator.control.recoverSecret({ vault: at.vault, name: 'db' })
		await fresh(at)
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('one')
	})

	it('no ServiceAccount, then no annotations, then no vault: each says what to add', async () => {
		const at = await open({ name: 'account' })
		const accounts = `/api/v1/namespaces/${at.namespace}/serviceaccounts`
		await at.apply('payments', { secrets: [{ name: 'db' }], identity: { serviceAccountName: 'later' } })
		const missing = await stale(at, 'ServiceAccountNotFound')
		expect(isTrue(missing, 'Stalled')).toBe(true)
		await at.create(accounts, { metadata: { name: 'later' } })
		const bare = await stale(at, 'IdentityMissing')
		// In words: nobody here knows the id, and a line with a gap cannot be run.
		const message = condition(bare, 'Fresh')?.message
		expect(message).toContain('has no annotation azure.workload.identity/client-id, and the spec no identity.clientId.')
		expect(message).not.toContain('kubectl')
		const subject = `system:serviceaccount:${at.namespace}:later`
		await at.emulator.control.addFederatedCredential({
			clientId: at.clientId,
			name: 'later',
			issuer: at.issuer,
			subject,
			audience: AUDIENCE,
		})
		await at.merge(`${accounts}/later`, {
			metadata: {
				annotations: {
					'azure.workload.identity/client-id': at.clientId,
					'azure.workload.identity/tenant-id': at.emulator.tenantId,
				},
			},
		})
		await fresh(at)
		await at.merge(`/apis/secrets.purista.dev/v1alpha1/namespaces/${at.namespace}/azuresecretbindings/payments`, {
			spec: { vault: null },
		})
		await stale(at, 'VaultMissing')
		await at.merge(`${accounts}/later`, {
			metadata: { annotations: { 'secrets.purista.dev/vault-url': `https://${at.vault}.vault.azure.net` } },
		})
		await fresh(at)
		await at.merge(`${accounts}/later`, {
			metadata: { annotations: { 'secrets.purista.dev/vault-url': 'https://evil.example' } },
		})
		await stale(at, 'VaultNotAllowed')
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('one')
		await expectEvents(at, 'payments', {
			'Warning Deliver ServiceAccountNotFound': 1,
			'Warning Deliver IdentityMissing': 1,
			'Normal Deliver Delivered': 2,
			// A new spec of which nobody knows the vault: what is held is not known to be what it asks for.
			'Warning Deliver VaultMissing': 1,
			'Warning Look VaultNotAllowed': 1,
		})
		expect(flaps(at.versions('payments'))).toEqual([])
	})
})
