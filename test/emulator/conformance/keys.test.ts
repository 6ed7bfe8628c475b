// `/keys` through the unmodified SDK and raw requests: the public part, and 501 for what computes.
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { KeyClient } from '@azure/keyvault-keys'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API, addFederatedClient, type Bench, CLIENT, collect, openBench } from './kit.ts'

const POLL = { intervalInMs: 20 }

describe('keys', () => {
	let bench: Bench
	let client: KeyClient
	beforeAll(async () => {
		bench = await openBench({ visibilityDelayMs: 50 })
		const { control } = bench.emulator
		await control.grant({ clientId: CLIENT, role: 'Key Vault Administrator', vault: 'payments' })
		const agent = bench.emulator.agent()
		client = new KeyClient(bench.emulator.vaultUrl('payments'), bench.credential(), { agent })
	})
	afterAll(() => bench.close())

	it.each([
		['RSA 2048', () => client.createRsaKey('rsa', { keySize: 2048 }), { kty: 'RSA', bits: 2048 }],
		['EC P-256', () => client.createEcKey('ec-256', { curve: 'P-256' }), { kty: 'EC', crv: 'P-256' }],
		['EC P-384', () => client.createEcKey('ec-384', { curve: 'P-384' }), { kty: 'EC', crv: 'P-384' }],
		['EC P-256K', () => client.createEcKey('ec-k', { curve: 'P-256K' }), { kty: 'EC', crv: 'P-256K' }],
		['EC-HSM', () => client.createEcKey('ec-hsm', { hsm: true }), { kty: 'EC-HSM', crv: 'P-256' }],
	])('are created: %s', async (_what, create, { kty, ...shape }) => {
		const made = await create()
		expect(made.key?.kty).toBe(kty)
		expect(made.id).toBe(`${bench.emulator.vaultUrl('payments')}/keys/${made.name}/${made.properties.version}`)
		if ('bits' in shape) expect((made.key?.n?.length ?? 0) * 8).toBe(shape.bits)
		else expect(made.key?.crv).toBe(shape.crv)
		expect(made.keyOperations).toEqual(
			'bits' in shape ? ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'] : ['sign', 'verify'],
		)
		const got = await client.getKey(made.name)
		expect([got.id, got.key?.n, got.key?.x]).toEqual([made.id, made.key?.n, made.key?.x])
	})

	it('are imported: what is shown is the public half of what was sent, and never more', async () => {
		const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
		const sent = privateKey.export({ format: 'jwk' })
		const key = Object.fromEntries(
			Object.entries(sent).map(([name, value]) => [
				name,
				name === 'kty' ? (value as string) : Buffer.from(value as string, 'base64url'),
			]),
		)
		await client.importKey('brought', key, { tags: { team: 'a' } })
		const { text } = await bench.raw(`/keys/brought?${API}`)
		const shown = (JSON.parse(text) as { key: { kty: string; n: string; e: string } }).key
		expect(createPublicKey({ key: shown, format: 'jwk' }).equals(publicKey)).toBe(true)
		for (const part of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) expect(text).not.toContain(sent[part])
		const deleted = await bench.raw(`/keys/brought?${API}`, { method: 'DELETE' })
		expect(Object.keys(deleted.body as object)).toEqual([
			...['recoveryId', 'deletedDate', 'scheduledPurgeDate'],
			...['key', 'attributes', 'tags'],
		])
	})

	it('have versions, lists and metadata as secrets have', async () => {
		const first = await client.createEcKey('many')
		const second = await client.createEcKey('many')
		expect((await client.getKey('many')).id).toBe(second.id)
		const version = first.properties.version ?? ''
		expect((await client.getKey('many', { version })).id).toBe(first.id)
		const versions = (await collect(client.listPropertiesOfKeyVersions('many'))).map((each) => each.version ?? '')
		expect(versions).toEqual([version, second.properties.version ?? ''].sort())
		const expiresOn = new Date('2030-01-01T00:00:00Z')
		const options = { enabled: false, expiresOn, tags: { a: 'b' } }
		await client.updateKeyProperties('many', second.properties.version ?? '', options)
		// Unlike a secret, a disabled key can be read: it is the public half.
		expect((await client.getKey('many')).properties).toMatchObject({ enabled: false, expiresOn, tags: { a: 'b' } })
		const names = (await collect(client.listPropertiesOfKeys())).map(({ name }) => name)
		expect(names).toEqual([...names].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)))
		expect(names).toContain('many')
		expect(await collect(client.listPropertiesOfKeyVersions('no-such'))).toEqual([])
	})

	it('are deleted, shown, recovered and purged', async () => {
		await client.createEcKey('life')
		await (await client.beginDeleteKey('life', POLL)).pollUntilDone()
		await expect(client.getKey('life')).rejects.toMatchObject({ statusCode: 404, code: 'KeyNotFound' })
		expect((await client.getDeletedKey('life')).name).toBe('life')
		expect((await collect(client.listDeletedKeys())).map(({ name }) => name)).toContain('life')
		await expect(client.createEcKey('life')).rejects.toMatchObject({ statusCode: 409 })
		await (await client.beginRecoverDeletedKey('life', POLL)).pollUntilDone()
		expect((await client.getKey('life')).name).toBe('life')
		await (await client.beginDeleteKey('life', POLL)).pollUntilDone()
		await client.purgeDeletedKey('life')
		await expect(client.getDeletedKey('life')).rejects.toMatchObject({ statusCode: 404, code: 'KeyNotFound' })
	})

	it.each([
		['no kty', {}],
		['an unknown kty', { kty: 'DSA' }],
		['an odd size', { kty: 'RSA', key_size: 1024 }],
		['an unknown curve', { kty: 'EC', crv: 'P-128' }],
		['an unknown operation', { kty: 'EC', key_ops: ['dance'] }],
	])('are not created with %s: 400', async (_what, body) => {
		const answer = await bench.raw(`/keys/odd/create?${API}`, { method: 'POST', body })
		expect([answer.status, answer.error.code]).toEqual([400, 'BadParameter'])
	})

	it.each([
		['POST', '/keys/rsa/x/encrypt', 'POST /keys/{name}/{version}/encrypt'],
		['POST', '/keys/rsa/x/sign', 'POST /keys/{name}/{version}/sign'],
		['POST', '/keys/rsa/backup', 'POST /keys/{name}/backup'],
		['POST', '/keys/restore', 'POST /keys/restore'],
		['POST', '/keys/rsa/rotate', 'POST /keys/{name}/rotate'],
		['GET', '/keys/rsa/rotationpolicy', 'GET /keys/{name}/rotationpolicy'],
		['GET', '/certificates/issuers', 'GET /certificates/issuers'],
		['GET', '/certificates/contacts', 'GET /certificates/contacts'],
		['POST', '/certificates/x/pending/merge', 'POST /certificates/{name}/{version}/merge'],
		['POST', '/rng', 'POST /rng'],
		['GET', '/storage', 'GET /storage'],
	])('answers %s %s with 501 that names the emulator, not with a 404', async (method, path, what) => {
		const answer = await bench.raw(`${path}?${API}`, { method, ...(method === 'POST' ? { body: {} } : {}) })
		expect([answer.status, answer.error]).toEqual([
			501,
			{ code: 'NotImplemented', message: `azure-key-vault-emulator does not emulate ${what}.` },
		])
	})

	it('says 501 of symmetric keys', async () => {
		const answer = await bench.raw(`/keys/sym/create?${API}`, { method: 'POST', body: { kty: 'oct-HSM' } })
		expect([answer.status, answer.error.message]).toEqual([
			501,
			'azure-key-vault-emulator does not emulate symmetric keys.',
		])
	})

	it('need permissions of their own, in both models', async () => {
		const { control } = bench.emulator
		const clientId = '22222222-2222-4222-8222-222222222222'
		await addFederatedClient(bench.emulator, clientId)
		await control.grant({ clientId, role: 'Key Vault Secrets Officer', vault: 'payments' })
		await control.createVault({ name: 'legacy', access: 'policy' })
		await control.setPolicy({ vault: 'legacy', clientId, secretPermissions: ['all'] })
		const token = await bench.token(clientId)
		const rbac = await bench.raw(`/keys?${API}`, { token })
		expect([rbac.status, rbac.error.innererror?.code]).toEqual([403, 'ForbiddenByRbac'])
		expect(rbac.error.message).toContain("Action: 'Microsoft.KeyVault/vaults/keys/read'")
		const origin = bench.emulator.vaultUrl('legacy')
		const policy = await bench.raw(`/keys?${API}`, { token, origin })
		expect([policy.status, policy.error.innererror?.code]).toEqual([403, 'AccessDenied'])
		expect(policy.error.message).toContain('does not have keys list permission')
		await control.setPolicy({ vault: 'legacy', clientId, secretPermissions: [], keyPermissions: ['list'] })
		expect((await bench.raw(`/keys?${API}`, { token, origin })).status).toBe(200)
		expect((await bench.raw(`/certificates?${API}`, { token, origin })).status).toBe(403)
	})
})
