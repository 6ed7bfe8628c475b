import { afterEach, describe, expect, it } from 'vitest'
import { flaps } from '../../kit/kstatus.ts'
import { until } from '../../kit/until.ts'
import { expectEvents } from './row.ts'
import {
	AUDIENCE,
	azLine,
	condition,
	isTrue,
	manifest,
	openStage,
	ROLE,
	type Stage,
	type StageOptions,
	value,
} from './stage.ts'

// Each row of the table of faults: condition, reason, message, untouched data; and every printed line mends what it is for.
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

	it('no role: the printed line, given to Azure as it stands, turns the binding Fresh', async () => {
		const at = await open({ name: 'role', role: false })
		await at.apply('payments', { secrets: [{ name: 'db' }] })
		const denied = await stale(at, 'ForbiddenByRbac')
		expect(condition(denied, 'Ready')).toMatchObject({ status: 'False', reason: 'ForbiddenByRbac' })
		expect(condition(denied, 'Reconciling')?.status).toBe('True')
		expect(await at.secret('payments-secrets')).toBeUndefined()
		await at.emulator.control.az({ command: azLine(condition(denied, 'Fresh')?.message ?? '') })
		await fresh(at)
		// And taken away again.
		await at.emulator.control.revoke({ clientId: at.clientId, role: ROLE, vault: at.vault })
		await stale(at, 'ForbiddenByRbac')
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('one')
	})

	it('no access policy: the same with the line for access policies', async () => {
		const at = await open({ name: 'policy', role: false, access: 'policy' })
		await at.apply('payments', { secrets: [{ name: 'db' }] })
		const denied = await stale(at, 'AccessDenied')
		await at.emulator.control.az({ command: azLine(condition(denied, 'Fresh')?.message ?? '') })
		await fresh(at)
	})

	it('another subject: told with issuer, subject and audience; the printed line mends it', async () => {
		const at = await open({ name: 'subject', federate: false, times: 60 })
		await at.emulator.control.addFederatedCredential({
			clientId: at.clientId,
			name: 'typing-error',
			issuer: at.issuer,
			subject: `${at.subject}s`,
			audience: AUDIENCE,
		})
		await at.apply('payments', { secrets: [{ name: 'db' }] })
		const refused = await stale(at, 'FederationNotFound')
		const message = condition(refused, 'Fresh')?.message ?? ''
		for (const part of [at.issuer, at.subject, AUDIENCE]) expect(message).toContain(part)
		expect(condition(refused, 'Stalled')).toBeUndefined()
		// Ten minutes later (ten seconds, on this clock) it no longer counts as waiting for Azure.
		const stalled = await at.wait('payments', 'Stalled', (b) => isTrue(b, 'Stalled'))
		expect(condition(stalled, 'Reconciling')).toBeUndefined()
		await at.emulator.control.az({ command: azLine(message) })
		await fresh(at)
	})

	it('a role that is taken away: what was delivered stays, and Ready with it', async () => {
		const at = await delivered({ name: 'revoked' })
		await at.emulator.control.revoke({ clientId: at.clientId, role: ROLE, vault: at.vault })
		const denied = await stale(at, 'ForbiddenByRbac')
		expect(isTrue(denied, 'Ready')).toBe(true)
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('one')
	})

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

	it('one of three forbidden: two are delivered, and the third is named', async () => {
		const at = await open({ name: 'single', role: false })
		const { control } = at.emulator
		for (const name of ['a', 'b', 'c']) await control.setSecret({ vault: at.vault, name, value: name })
		for (const secret of ['a', 'b']) await control.grant({ clientId: at.clientId, role: ROLE, vault: at.vault, secret })
		await at.apply('payments', { secrets: ['a', 'b', 'c'].map((name) => ({ name })) })
		const partly = await at.wait('payments', 'two of three', (b) => b.status?.synced === '2/3')
		expect(condition(partly, 'Ready')).toMatchObject({ status: 'False', reason: 'ForbiddenByRbac' })
		expect(condition(partly, 'Ready')?.message).toContain('Not delivered: c.')
		expect(value(await at.secret('payments-secrets'), 'b')).toBe('b')
	})

	it('disabled: the last value stays, marked in manifest and status', async () => {
		const at = await delivered({ name: 'disabled' })
		await at.emulator.control.updateSecret({ vault: at.vault, name: 'db', enabled: false })
		const disabled = await stale(at, 'SecretDisabled')
		expect(disabled.status?.secrets?.[0]).toMatchObject({ state: 'Disabled', reason: 'SecretDisabled' })
		const secret = await at.secret('payments-secrets')
		expect(value(secret, 'db')).toBe('one')
		expect(manifest(secret)).toMatchObject({ secrets: { db: { state: 'Disabled' } } })
		await at.emulator.control.updateSecret({ vault: at.vault, name: 'db', enabled: true })
		await fresh(at)
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

	it("a proxy's 404 removes nothing, whatever the policy", async () => {
		const at = await delivered({ name: 'proxy' }, { policy: { absent: 'Remove' } })
		const since = Date.now()
		await at.emulator.control.addFault({ match: { vault: at.vault }, action: 'html', status: 404 })
		await until(
			'four answers of the proxy',
			async () => (await at.emulator.control.requests({ since })).filter(({ kind }) => kind === 'vault').length >= 4,
		)
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('one')
		expect(isTrue(await at.binding('payments'), 'Ready')).toBe(true)
	})

	it('the vault away: Fresh only turns after a while, Ready stays, and it catches up', async () => {
		const at = await delivered({ name: 'away', times: 60 })
		await at.wait('payments', 'settled', (b) => b.status?.secrets?.every(({ reason }) => reason === undefined))
		const before = await at.binding('payments')
		const since = Date.now()
		const { id } = await at.emulator.control.addFault({ match: { vault: at.vault }, action: 'reset' })
		await until('two failed looks', async () => (await at.emulator.control.requests({ since })).length >= 2)
		expect((await at.binding('payments')).metadata.resourceVersion).toBe(before.metadata.resourceVersion)
		// Five minutes, which are five seconds on this clock.
		const away = await stale(at, 'VaultUnreachable')
		expect(Date.now() - since).toBeGreaterThan(4_900)
		expect(isTrue(away, 'Ready')).toBe(true)
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('one')
		await at.emulator.control.setSecret({ vault: at.vault, name: 'db', value: 'two' })
		await at.emulator.control.removeFault(id)
		await fresh(at)
		expect(value(await at.secret('payments-secrets'), 'db')).toBe('two')
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
			'Normal Deliver Delivered': 1,
			'Normal Look Current': 1,
			'Warning Look VaultMissing': 1,
			'Warning Look VaultNotAllowed': 1,
		})
		expect(flaps(at.versions('payments'))).toEqual([])
	})

	it('a wrong pin: told as a wrong version, not as an absent secret', async () => {
		const at = await open({ name: 'pin' })
		await at.apply('payments', { secrets: [{ name: 'db', version: '0123456789abcdef0123456789abcdef' }] })
		await stale(at, 'VersionAbsent')
	})
})
