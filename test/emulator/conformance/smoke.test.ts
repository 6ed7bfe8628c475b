import { ClientAssertionCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Emulator, emulatorControl, startEmulator } from '../src/index.ts'

const ISSUER = 'https://kubernetes.default.svc'
const SUBJECT = 'system:serviceaccount:shop:payments'
const AUDIENCE = 'api://AzureADTokenExchange'
const CLIENT = '11111111-1111-4111-8111-111111111111'

describe('the unmodified SDK on the emulator', () => {
	let emulator: Emulator
	let assertion: () => Promise<string>
	const client = (): SecretClient => {
		const agent = emulator.agent()
		const credential = new ClientAssertionCredential(emulator.tenantId, CLIENT, assertion, {
			authorityHost: emulator.authorityHost,
			disableInstanceDiscovery: true,
			agent,
		})
		return new SecretClient(emulator.vaultUrl('payments'), credential, { agent })
	}

	beforeAll(async () => {
		emulator = await startEmulator({ vaults: ['payments'] })
		const { privateKey, publicKey } = await generateKeyPair('RS256')
		const jwk = { ...(await exportJWK(publicKey)), kid: 'k1' }
		const control = emulatorControl(emulator.controlUrl)
		await control.trustIssuer({ issuer: ISSUER, jwks: { keys: [jwk] } })
		await control.addClient({ clientId: CLIENT })
		await control.addFederatedCredential({
			clientId: CLIENT,
			name: 'fic',
			issuer: ISSUER,
			subject: SUBJECT,
			audience: AUDIENCE,
		})
		await control.grant({ clientId: CLIENT, role: 'Key Vault Secrets Officer', vault: 'payments' })
		assertion = () =>
			new SignJWT({})
				.setProtectedHeader({ alg: 'RS256', kid: 'k1' })
				.setIssuer(ISSUER)
				.setSubject(SUBJECT)
				.setAudience(AUDIENCE)
				.setIssuedAt()
				.setExpirationTime('1h')
				.sign(privateKey)
	})
	afterAll(() => emulator.close())

	it('set, get, list', async () => {
		const secrets = client()
		const set = await secrets.setSecret('db', 'v1')
		expect((await secrets.getSecret('db')).value).toBe('v1')
		expect((await secrets.getSecret('db', { version: set.properties.version ?? '' })).value).toBe('v1')
		const names: string[] = []
		for await (const each of secrets.listPropertiesOfSecrets()) names.push(each.name)
		expect(names).toEqual(['db'])
		// One challenge, one token, then only authenticated calls: nothing more is needed on invented host names.
		const counts = await emulator.control.requestCounts()
		expect(counts.filter((each) => each.status === 401).map((each) => [each.route, each.count])).toEqual([
			['setSecret', 1],
		])
		expect(counts.find((each) => each.route === 'token')).toEqual({
			kind: 'token',
			route: 'token',
			clientId: CLIENT,
			status: 200,
			count: 1,
		})
		expect(counts.find((each) => each.route === 'getSecret')).toEqual({
			kind: 'vault',
			route: 'getSecret',
			vault: 'payments',
			clientId: CLIENT,
			status: 200,
			count: 2,
		})
	})
})
