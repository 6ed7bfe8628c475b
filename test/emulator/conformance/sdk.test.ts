// The unmodified JS SDK against the emulator: the ways to configure it that the README of the emulator names, and every operation.
import { randomUUID } from 'node:crypto'
import { ClientSecretCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addFederatedClient, type Bench, CLIENT, collect, openBench, USER } from './kit.ts'

/** The SDK's pollers wait 2 s between two questions; here there is nothing to wait for. */
const POLL = { intervalInMs: 20 }
/** A purge takes the emulator here 50 ms, and Key Vault some seconds. */
const SHOWN = { timeout: 60_000 }

describe('the unmodified JS SDK', () => {
	let bench: Bench
	let client: SecretClient
	beforeAll(async () => {
		bench = await openBench({ visibilityDelayMs: 50 })
		client = bench.sdk()
	})
	afterAll(() => bench.close())

	it('needs a 401, one token and the call itself, and no discovery of instances (recipe B)', async () => {
		await bench.emulator.control.setSecret({ vault: 'payments', name: 'first', value: 'v' })
		const since = Date.now()
		expect((await bench.sdk().getSecret('first')).value).toBe('v')
		const asked = (await bench.emulator.control.requests({ since })).map(({ route, status }) => [route, status])
		expect(asked).toEqual([
			['getSecret', 401],
			['openidConfiguration', 200],
			['token', 200],
			['getSecret', 200],
		])
	})

	it('works under the production names with no option but the agent (recipe A)', async () => {
		const production = await openBench({ names: 'production' })
		try {
			const { emulator } = production
			const clientId = randomUUID()
			await emulator.control.addClient({ clientId, clientSecret: 'secret' })
			await emulator.control.grant({ clientId, role: USER, vault: 'payments' })
			await emulator.control.setSecret({ vault: 'payments', name: 'a', value: 'v' })
			// The port is not 443 here, so MSAL does not know the host by heart; in a cluster it is, and does.
			const agent = emulator.agent()
			const credential = new ClientSecretCredential(emulator.tenantId, clientId, 'secret', {
				authorityHost: emulator.authorityHost,
				disableInstanceDiscovery: true,
				agent,
			})
			expect((await new SecretClient(emulator.vaultUrl('payments'), credential, { agent }).getSecret('a')).value).toBe(
				'v',
			)
		} finally {
			await production.close()
		}
	})

	it('works on localhost with disableChallengeResourceVerification (recipe C)', async () => {
		await bench.emulator.control.setSecret({ vault: 'payments', name: 'local', value: 'v' })
		const url = `https://localhost:${bench.emulator.port}`
		const options = { agent: bench.emulator.agent(), disableChallengeResourceVerification: true }
		expect((await new SecretClient(url, bench.credential(), options).getSecret('local')).value).toBe('v')
	})

	it('sets, gets by name and version, and updates', async () => {
		const set = await client.setSecret('db', 'one', { contentType: 'text/plain', tags: { team: 'payments' } })
		const version = set.properties.version ?? ''
		await client.setSecret('db', 'two')
		expect((await client.getSecret('db')).value).toBe('two')
		const old = await client.getSecret('db', { version })
		expect([old.value, old.properties.contentType, old.properties.tags]).toEqual([
			'one',
			'text/plain',
			{ team: 'payments' },
		])
		const expiresOn = new Date('2030-01-01T00:00:00Z')
		const updated = await client.updateSecretProperties('db', version, { expiresOn, tags: { team: 'shop' } })
		expect([updated.expiresOn, updated.tags, updated.contentType]).toEqual([expiresOn, { team: 'shop' }, 'text/plain'])
	})

	it('lists over three pages, by item and by page, and follows nextLink with its own port', async () => {
		const secrets = Array.from({ length: 55 }, (_, i) => ({ name: `many-${String(i).padStart(2, '0')}`, value: 'v' }))
		await bench.emulator.control.setSecrets({ vault: 'payments', secrets })
		const names = (await collect(client.listPropertiesOfSecrets())).map((each) => each.name)
		expect(names.filter((name) => name.startsWith('many-'))).toEqual(secrets.map((each) => each.name))
		const pages = await collect(client.listPropertiesOfSecrets().byPage({ maxPageSize: 20 }))
		expect(pages.length).toBeGreaterThanOrEqual(3)
		// Never more than asked for; the service answers fewer in about every fourth page, and so does the emulator by its seed.
		expect(pages.filter((page) => page.length > 20)).toEqual([])
	})

	it('lists versions', async () => {
		for (let i = 0; i < 3; i += 1) await client.setSecret('versions', String(i))
		const versions = (await collect(client.listPropertiesOfSecretVersions('versions'))).map(
			(each) => each.version ?? '',
		)
		expect(versions).toHaveLength(3)
		expect(versions).toEqual([...versions].sort())
		expect(await collect(client.listPropertiesOfSecretVersions('no-such'))).toEqual([])
	})

	it('deletes, shows, recovers and purges with its own pollers', async () => {
		await client.setSecret('life', 'v')
		const deletion = await client.beginDeleteSecret('life', POLL)
		const deleted = await deletion.pollUntilDone()
		expect(deleted.scheduledPurgeDate?.getTime()).toBe((deleted.deletedOn?.getTime() ?? 0) + 90 * 86_400_000)
		expect((await client.getDeletedSecret('life')).name).toBe('life')
		expect((await collect(client.listDeletedSecrets())).map((each) => each.name)).toContain('life')
		await (await client.beginRecoverDeletedSecret('life', POLL)).pollUntilDone()
		expect((await client.getSecret('life')).value).toBe('v')
		await (await client.beginDeleteSecret('life', POLL)).pollUntilDone()
		await client.purgeDeletedSecret('life')
		await expect(client.getDeletedSecret('life')).rejects.toMatchObject({ statusCode: 404, code: 'SecretNotFound' })
		await expect.poll(() => client.setSecret('life', 'again').then((set) => set.value), SHOWN).toBe('again')
	})

	it('backs up and restores', async () => {
		await client.setSecret('kept', 'v')
		const backup = await client.backupSecret('kept')
		await (await client.beginDeleteSecret('kept', POLL)).pollUntilDone()
		await client.purgeDeletedSecret('kept')
		await expect
			.poll(() => client.restoreSecretBackup(backup ?? new Uint8Array()).then((each) => each.name), SHOWN)
			.toBe('kept')
		expect((await client.getSecret('kept')).value).toBe('v')
	})

	it('turns a PFX into PEM with outContentType', async () => {
		await bench.emulator.control.addCertificate({ vault: 'payments', name: 'cert' })
		const pem = await client.getSecret('cert', { outContentType: 'application/x-pem-file' })
		expect(pem.value).toContain('-----BEGIN CERTIFICATE-----')
		expect(pem.properties.managed).toBe(true)
	})

	it('sees code, statusCode and details.error.innerError.code of a wrong role', async () => {
		const clientId = randomUUID()
		await addFederatedClient(bench.emulator, clientId)
		await bench.emulator.control.grant({ clientId, role: 'Key Vault Reader', vault: 'payments' })
		await expect(bench.sdk('payments', clientId).getSecret('db')).rejects.toMatchObject({
			name: 'RestError',
			code: 'Forbidden',
			statusCode: 403,
			details: { error: { code: 'Forbidden', innerError: { code: 'ForbiddenByRbac' } } },
		})
	})

	it('does not retry a bare 429, and waits and retries one with Retry-After', async () => {
		const { control } = bench.emulator
		const tries = async (fault: { retryAfter?: number }): Promise<number> => {
			await control.addFault({
				match: { route: 'getSecret', clientId: CLIENT },
				action: 'status',
				status: 429,
				times: 1,
				...fault,
			})
			// By number and not by time: the call before may have been in the same millisecond.
			const reads = async () => (await control.requests()).filter((each) => each.route === 'getSecret').length
			const before = await reads()
			await client.getSecret('db').catch((error: { statusCode: number }) => expect(error.statusCode).toBe(429))
			return (await reads()) - before
		}
		expect(await tries({})).toBe(1)
		expect(await tries({ retryAfter: 0 })).toBe(2)
	})

	it('surfaces an OAuth error as AuthenticationRequiredError with the AADSTS code in the message', async () => {
		const clientId = randomUUID()
		await bench.emulator.control.addClient({ clientId, name: 'unfederated' })
		await expect(bench.sdk('payments', clientId).getSecret('db')).rejects.toMatchObject({
			name: 'AuthenticationRequiredError',
			message: expect.stringMatching(
				/^invalid_client: Error\(s\): 70025 - Timestamp: .* - Description: AADSTS70025: /,
			) as unknown,
		})
	})

	it('keeps all of one credential to its own tenant', async () => {
		const tenantId = randomUUID()
		await bench.emulator.control.createVault({ name: 'elsewhere', tenantId })
		await expect(bench.sdk('elsewhere').getSecret('x')).rejects.toMatchObject({ name: 'CredentialUnavailableError' })
	})
})
