import { execFile } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startTestVault, type TestVault } from '../test/vault.ts'
import type { AzureMountedSecretStoreConfig } from './index.ts'
import type { StoreBaseConfig } from './purista.ts'
import { createTestStore, type TestStore } from './testing/index.ts'

// The unmodified Azure SDK against the emulator, and a mount on a real directory.
let vault: TestVault
const tests: TestStore[] = []

beforeAll(async () => {
	vault = await startTestVault()
})
afterAll(() => vault[Symbol.asyncDispose]())
afterEach(async () => {
	await vault.emulator.control.clearFaults()
	await Promise.all(tests.splice(0).map((test) => test.destroy()))
})

async function writable(
	secrets: Record<string, string> = {},
	config: Partial<StoreBaseConfig<AzureMountedSecretStoreConfig>> = {},
): Promise<TestStore> {
	const test = await createTestStore(secrets, {
		client: vault.client(),
		enableSet: true,
		enableRemove: true,
		...config,
	})
	tests.push(test)
	return test
}

describe('writing', () => {
	it('reads back at once what it wrote, and goes over to the mount when that shows it', async () => {
		const test = await writable()
		await test.write({ db: 'first' }, { objectName: 'w-db', version: '1' })
		await expect.poll(() => test.store.getSecret('db')).toStrictEqual({ db: 'first' })
		await test.store.setSecret('db', 'second')
		expect(await test.store.getSecret('db')).toStrictEqual({ db: 'second' })
		expect(await test.store.describe('db')).toMatchObject({ source: 'pending', objectName: 'w-db' })
		const { value, version } = await vault.emulator.control.getSecret({ vault: 'payments', name: 'w-db' })
		expect(value).toBe('second')
		await test.rotate('db', 'second', { objectName: 'w-db', version })
		expect(test.store.status().pendingWrites).toBe(0)
		expect(await test.store.describe('db')).toMatchObject({ source: 'mount', version })
	})

	it('tells listeners of its own write once, not again when the mount shows it', async () => {
		const test = await writable({ told: 'first' })
		const versions: Array<string | undefined> = []
		test.store.onChange(({ changes }) => {
			for (const change of changes) if (change.name === 'told') versions.push(change.version)
		})
		await test.store.setSecret('told', 'second')
		const { version } = await vault.emulator.control.getSecret({ vault: 'payments', name: 'told' })
		await test.rotate('told', 'second', { version })
		await test.rotate('told', 'third', { version: 'v3' })
		await expect.poll(() => versions).toStrictEqual([version, 'v3'])
	})

	it('keeps the tags and the content type that the mount shows, adds its own, or keeps all of the vault', async () => {
		const tags = { team: 'payments' }
		const { control } = vault.emulator
		await control.setSecret({
			vault: 'payments',
			name: 'tagged',
			value: '1',
			tags: { ...tags, other: 'x' },
			contentType: 'text/plain',
		})
		const test = await writable({}, { write: { tags: { by: 'app' } } })
		// Waits for the mount: before it comes the vault answers the name, with the same value.
		await test.rotate('tagged', '1', { tags, contentType: 'text/plain' })
		await test.store.setSecret('tagged', '2')
		expect(await control.getSecret({ vault: 'payments', name: 'tagged' })).toMatchObject({
			tags: { ...tags, by: 'app' },
			contentType: 'text/plain',
		})
		const all = await writable({}, { write: { keep: 'vault' } })
		await all.store.setSecret('tagged', '3')
		expect((await control.getSecret({ vault: 'payments', name: 'tagged' })).tags).toStrictEqual({ ...tags, by: 'app' })
		const none = await writable({}, { write: { keep: 'none' } })
		await none.store.setSecret('tagged', '4')
		expect((await control.getSecret({ vault: 'payments', name: 'tagged' })).tags ?? {}).toStrictEqual({})
	})

	it('writes a pinned secret to the vault and goes on reading the pin', async () => {
		const test = await writable()
		await test.write({ pinned: 'pin' }, { pinned: true })
		await expect.poll(() => test.store.getSecret('pinned')).toStrictEqual({ pinned: 'pin' })
		await test.store.setSecret('pinned', 'newer')
		expect(await test.store.getSecret('pinned')).toStrictEqual({ pinned: 'pin' })
		expect((await vault.emulator.control.getSecret({ vault: 'payments', name: 'pinned' })).value).toBe('newer')
	})

	it('writes and deletes nothing under the name of a file that is a part of the secret', async () => {
		const { control } = vault.emulator
		await control.setSecret({ vault: 'payments', name: 'json', value: '{"password":"pw"}' })
		const test = await writable()
		await test.write({ password: 'pw' }, { objectName: 'json', version: '1', form: 'property=/password' })
		await expect.poll(() => test.store.getSecret('password')).toStrictEqual({ password: 'pw' })
		const derived = { errorCode: 501, data: { reason: 'Derived' } }
		await expect(test.store.setSecret('password', 'x')).rejects.toMatchObject(derived)
		await expect(test.store.removeSecret('password')).rejects.toMatchObject(derived)
		await expect(test.store.getSecretVersion('password', 'f'.repeat(32))).rejects.toMatchObject(derived)
		// The vault name means the whole.
		expect(await test.store.getSecret('json')).toStrictEqual({ json: '{"password":"pw"}' })
		await test.store.setSecret('json', '{"password":"other"}')
		expect((await control.getSecret({ vault: 'payments', name: 'json' })).value).toBe('{"password":"other"}')
		expect(await test.store.getSecret('password')).toStrictEqual({ password: 'pw' })
	})

	it('fails with 409 on the name of a deleted secret, or recovers it when told to', async () => {
		const test = await writable()
		await test.store.setSecret('gone', 'first')
		await test.store.removeSecret('gone')
		await expect
			.poll(() => test.store.setSecret('gone', 'x').catch((error: unknown) => error))
			.toMatchObject({ errorCode: 409, data: { reason: 'Deleted' } })
		const recovering = await writable({}, { onDeleted: 'recover' })
		await recovering.store.setSecret('gone', 'second')
		expect(await recovering.store.getSecret('gone')).toStrictEqual({ gone: 'second' })
		expect((await vault.emulator.control.getSecret({ vault: 'payments', name: 'gone' })).versions).toHaveLength(2)
	})

	it('removes with a tombstone over the mounted file, and takes a missing secret as removed', async () => {
		const test = await writable({ old: 'value' })
		await test.store.removeSecret('old')
		expect(await test.store.getSecret('old')).toStrictEqual({ old: undefined })
		await vault.emulator.control.setSecret({ vault: 'payments', name: 'there', value: '1' })
		const waiting = await writable({}, { awaitDelete: true })
		await waiting.store.removeSecret('there')
		// The deletion is over, so the name can be recovered.
		await vault.emulator.control.recoverSecret({ vault: 'payments', name: 'there' })
	})

	it('takes a write whose answer was lost as done when the vault has it, and fails when it has not', async () => {
		const test = await writable()
		// The first call of a client also asks for the challenge, which must not be what gets lost.
		await test.store.setSecret('lost', 'before')
		// Applied, and half of the answer arrives; the SDK's own retries meet the same.
		await vault.emulator.control.addFault({ match: { route: 'setSecret' }, action: 'truncate' })
		await test.store.setSecret('lost', 'value')
		expect(await test.store.getSecret('lost')).toStrictEqual({ lost: 'value' })
		await vault.emulator.control.clearFaults()
		await vault.emulator.control.addFault({ match: { route: 'setSecret' }, action: 'status', status: 503 })
		await expect(test.store.setSecret('lost', 'never')).rejects.toMatchObject({
			errorCode: 503,
			data: { reason: 'Unavailable' },
		})
		expect(await test.store.getSecret('lost')).toStrictEqual({ lost: 'value' })
	})

	it('keeps the order of its writes to one secret', async () => {
		const test = await writable()
		await Promise.all(['1', '2', '3', '4'].map((value) => test.store.setSecret('ordered', value)))
		expect((await vault.emulator.control.getSecret({ vault: 'payments', name: 'ordered' })).value).toBe('4')
		expect(await test.store.getSecret('ordered')).toStrictEqual({ ordered: '4' })
	})

	it.each([
		['a/b', 400, 'InvalidName'],
		['', 400, 'InvalidName'],
		['x'.repeat(128), 400, 'InvalidName'],
	])('refuses the name %j before it calls the vault', async (name, errorCode, reason) => {
		const test = await writable()
		const mark = await vault.mark()
		await expect(test.store.setSecret(name, 'x')).rejects.toMatchObject({ errorCode, data: { reason } })
		expect(await vault.calls(mark)).toStrictEqual([])
	})

	it('says which field to add when no mount covers the name and no vault is given', async () => {
		const test = await createTestStore({ a: '1' }, { enableSet: true })
		tests.push(test)
		await expect(test.store.setSecret('b', 'x')).rejects.toMatchObject({
			errorCode: 501,
			message: expect.stringContaining('spec.secrets') as string,
			data: { reason: 'NotCovered' },
		})
	})

	it('tells denied from throttled, and neither name nor value nor text of the vault is in the error', async () => {
		const test = await writable()
		await vault.emulator.control.addFault({
			match: { route: 'setSecret' },
			action: 'status',
			status: 403,
			code: 'Forbidden',
			innerCode: 'ForbiddenByRbac',
		})
		const denied = await test.store.setSecret('secret-name', 'canary-value').catch((error: unknown) => error)
		expect(denied).toMatchObject({ errorCode: 403, data: { reason: 'Denied' } })
		expect(JSON.stringify(denied, Object.getOwnPropertyNames(denied))).not.toMatch(
			/secret-name|canary-value|appid|oid=/,
		)
		await vault.emulator.control.clearFaults()
		await vault.emulator.control.addFault({ match: { route: 'setSecret' }, action: 'status', status: 429 })
		await expect(test.store.setSecret('a', 'x')).rejects.toMatchObject({
			errorCode: 429,
			data: { reason: 'Throttled' },
		})
	})
})

describe('reading beyond the mount', () => {
	it('reads names that no mount covers from the vault, at the same time, once each', async () => {
		const { control } = vault.emulator
		const names = ['f-1', 'f-2', 'f-3', 'f-4', 'f-5']
		for (const name of names) await control.setSecret({ vault: 'payments', name, value: `value of ${name}` })
		const test = await writable({ mounted: 'here' })
		const mark = await vault.mark()
		await control.addFault({ match: { route: 'getSecret' }, action: 'delay', delayMs: 1_500 })
		const reading = Promise.all([test.store.getSecret(...names, 'mounted'), test.store.getSecret('f-1', 'f-1')])
		// One after the other there would never be two that wait for their answer.
		const waiting = async () =>
			(await control.requests())
				.slice(mark)
				.filter(({ route, status }) => route === 'getSecret' && status === undefined)
		await expect.poll(async () => (await waiting()).length, { interval: 10 }).toBe(names.length)
		const [first] = await reading
		expect(first).toMatchObject({ 'f-5': 'value of f-5', mounted: 'here' })
		expect((await vault.calls(mark)).toSorted()).toStrictEqual(names.map((name) => `getSecret ${name}`))
		expect(test.store.status().fallback).toMatchObject({ vaultReads: 5, cached: 5 })
	})

	it('remembers values and absence, and asks again after a write of its own', async () => {
		const test = await writable()
		expect(await test.store.getSecret('later')).toStrictEqual({ later: undefined })
		const mark = await vault.mark()
		expect(await test.store.getSecret('later')).toStrictEqual({ later: undefined })
		expect(await vault.calls(mark)).toStrictEqual([])
		await test.store.setSecret('later', 'now')
		expect(await test.store.getSecret('later')).toStrictEqual({ later: 'now' })
	})

	it('serves what it read before when the vault is away, and says so; but never covers up a refusal', async () => {
		const { control } = vault.emulator
		await control.setSecret({ vault: 'payments', name: 'stale', value: 'before' })
		const test = await writable({}, { cacheTtl: 1 })
		await test.store.getSecret('stale')
		await control.addFault({ match: { route: 'getSecret' }, action: 'status', status: 503 })
		await expect
			.poll(
				() =>
					test.store.status().fallback.oldestStaleMs === undefined &&
					test.store.getSecret('stale').then(() => test.store.status().fallback.oldestStaleMs),
			)
			.toBeGreaterThan(0)
		expect(await test.store.getSecret('stale')).toStrictEqual({ stale: 'before' })
		await expect(test.store.getSecret('never-read')).rejects.toMatchObject({ errorCode: 503 })
		await control.clearFaults()
		await control.addFault({
			match: { route: 'getSecret' },
			action: 'status',
			status: 403,
			code: 'Forbidden',
			innerCode: 'ForbiddenByRbac',
		})
		const denied = await writable({}, { cacheTtl: 1 })
		await expect(denied.store.getSecret('stale')).rejects.toMatchObject({ errorCode: 403, data: { reason: 'Denied' } })
	})

	it('asks the vault for nothing when that is switched off', async () => {
		const test = await createTestStore({ a: '1' }, { client: vault.client(), readFallback: false })
		tests.push(test)
		const mark = await vault.mark()
		expect(await test.store.getSecret('b')).toStrictEqual({ b: undefined })
		expect(await vault.calls(mark)).toStrictEqual([])
	})

	it('takes times up to the year 9999, of the mount and of the vault, and warns of none of them', async () => {
		const [expires, seconds] = ['9999-12-31T23:59:59Z', 253_402_300_799]
		await vault.emulator.control.setSecret({ vault: 'payments', name: 'far', value: 'v', expires: seconds })
		const test = await writable({ near: '1' })
		await test.rotate('late', '1', { expires })
		const told: string[] = []
		test.store.onExpiring(3_600_000, ({ name }) => void told.push(name))
		expect(await test.store.describe('late')).toMatchObject({ source: 'mount', expires })
		expect(await test.store.describe('far')).toMatchObject({ source: 'vault', expires })
		await test.expire('near')
		await expect.poll(() => told).toStrictEqual(['near'])
	})

	it('gets an older version from the mount, or from the vault', async () => {
		const { control } = vault.emulator
		const { version } = await control.setSecret({ vault: 'payments', name: 'versions', value: 'one' })
		const test = await writable()
		await test.write({ versions: 'two' }, { version: 'v2' })
		await expect.poll(() => test.store.getSecret('versions')).toStrictEqual({ versions: 'two' })
		await test.rotate('versions', 'three', { version: 'v3' })
		expect(await test.store.getSecretVersion('versions', 'v2')).toBe('two')
		expect(await test.store.getSecretVersion('versions', 'v3')).toBe('three')
		expect(await test.store.getSecretVersion('versions', version)).toBe('one')
		expect(await test.store.getSecretVersion('versions', 'f'.repeat(32))).toBeUndefined()
	})
})

it('uses the workload identity that the webhook of Azure gives to a pod', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'asb-identity-'))
	const [issuer, subject, audience] = [
		'https://kubernetes.default.svc',
		'system:serviceaccount:payments:payments',
		'api://AzureADTokenExchange',
	]
	const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
	const { control, tenantId, authorityHost, caPem } = vault.emulator
	await control.trustIssuer({ issuer, jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] } })
	const clientId = '22222222-2222-4222-8222-222222222222'
	await control.addClient({ clientId })
	await control.addFederatedCredential({ clientId, name: 'fic', issuer, subject, audience })
	await control.grant({ clientId, role: 'Key Vault Secrets Officer', vault: 'payments' })
	const now = Math.floor(Date.now() / 1000)
	const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
	const claims = { iss: issuer, sub: subject, aud: [audience], iat: now, nbf: now, exp: now + 3600 }
	const unsigned = `${encode({ alg: 'RS256', kid: 'k' })}.${encode(claims)}`
	const token = `${unsigned}.${sign('sha256', Buffer.from(unsigned), privateKey).toString('base64url')}`
	const [tokenFile, caFile] = [join(folder, 'token'), join(folder, 'ca.crt')]
	await writeFile(tokenFile, token)
	await writeFile(caFile, caPem)
	// Names of the emulator are known to nobody: in a pod hostAliases do what the first lines do.
	const script = `
		import dns from 'node:dns'
		const lookup = dns.lookup
		dns.lookup = (_name, options, done) => lookup('127.0.0.1', options, done)
		const { AzureMountedSecretStore } = await import(${JSON.stringify(join(import.meta.dirname, 'index.ts'))})
		const store = new AzureMountedSecretStore({ mountPath: [], vaultUrl: ${JSON.stringify(vault.url)}, enableSet: true, logLevel: 'fatal' })
		await store.setSecret('by-identity', 'written')
		console.log((await store.getSecret('by-identity'))['by-identity'])
		await store.destroy()`
	const env = {
		PATH: process.env['PATH'],
		NODE_EXTRA_CA_CERTS: caFile,
		AZURE_TENANT_ID: tenantId,
		AZURE_CLIENT_ID: clientId,
		AZURE_FEDERATED_TOKEN_FILE: tokenFile,
		AZURE_AUTHORITY_HOST: authorityHost,
	}
	const run = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
		timeout: 30_000,
		env,
	})
	expect(run.stdout).toBe('written\n')
	const written = (await control.requests()).find(
		({ secret, route, status }) => secret === 'by-identity' && route === 'setSecret' && status === 200,
	)
	expect(written?.clientId).toBe(clientId)
	await rm(folder, { recursive: true })
}, 40_000)
