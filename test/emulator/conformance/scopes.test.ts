// The scopes that SDKs really send, and tokens of the services beside Key Vault.
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API, type Bench, openBench } from './kit.ts'
import { send } from './send.ts'

const VAULT = 'https://vault.azure.net/.default'

describe('scopes at the token endpoint', () => {
	let bench: Bench
	beforeAll(async () => {
		bench = await openBench({ names: 'production' })
	})
	afterAll(() => bench.close())

	const asked = async (scope: string): Promise<unknown> => {
		const { entra } = await bench.askToken(await bench.form({ scope }))
		return entra.access_token === undefined ? entra.error_codes[0] : decodeJwt(entra.access_token).aud
	}

	it.each([
		['MSAL for Go, OIDC scopes behind', `${VAULT} openid offline_access profile`, 'https://vault.azure.net'],
		['MSAL for Java, OIDC scopes before', `openid profile offline_access ${VAULT}`, 'https://vault.azure.net'],
		['OIDC scopes around, email among them', `email  ${VAULT}\topenid `, 'https://vault.azure.net'],
		['the application id', 'cfa8b339-82a2-471a-a3c9-0fc0be7a4093/.default', 'cfa8b339-82a2-471a-a3c9-0fc0be7a4093'],
		['az login', 'https://management.core.windows.net//.default', 'https://management.core.windows.net/'],
		['the management API', 'https://management.azure.com/.default', 'https://management.azure.com'],
		['Storage', 'https://storage.azure.com/.default', 'https://storage.azure.com'],
		['Service Bus', 'https://servicebus.azure.net/.default', 'https://servicebus.azure.net'],
		['a slash too many, which the vault will refuse', 'https://vault.azure.net//.default', 'https://vault.azure.net/'],
	])('gives a token: %s', async (_who, scope, audience) => {
		expect(await asked(scope)).toBe(audience)
	})

	it.each([
		['two resources', `${VAULT} https://storage.azure.com/.default`, 70011],
		['two resources among OIDC scopes', `openid ${VAULT} profile https://storage.azure.com/.default`, 70011],
		['the same resource twice', `${VAULT} ${VAULT}`, 70011],
		['nothing', ' ', 70011],
		['OIDC scopes alone', 'openid profile offline_access', 1002012],
		['an OIDC scope in other letters', `OpenID ${VAULT}`, 70011],
		['a resource without /.default', 'openid https://vault.azure.net', 1002012],
		['an unknown resource beside OIDC scopes', 'openid https://graph.microsoft.com/.default', 500011],
	])('refuses %s', async (_what, scope, code) => {
		expect(await asked(scope)).toBe(code)
	})

	it.each([
		'https://management.core.windows.net//.default',
		'https://storage.azure.com/.default',
		'https://vault.azure.net//.default',
	])('a vault refuses a token of %s', async (scope) => {
		const { entra } = await bench.askToken(await bench.form({ scope }))
		const refused = await bench.raw(`/secrets?${API}`, { token: entra.access_token })
		expect([refused.status, refused.error.message]).toEqual([
			401,
			`AKV10022: Invalid audience. Expected https://vault.azure.net or cfa8b339-82a2-471a-a3c9-0fc0be7a4093, found: ${scope.slice(0, -'/.default'.length)}`,
		])
	})

	it('a vault judges a token again that another service of the emulator has accepted', async () => {
		const { emulator } = bench
		const { entra } = await bench.askToken(await bench.form({ scope: 'https://management.azure.com/.default' }))
		const headers = { authorization: `Bearer ${entra.access_token}` }
		const subscriptions = `https://management.azure.com:${emulator.port}/subscriptions?api-version=2022-12-01`
		expect((await send(emulator.agent(), subscriptions, { headers })).status).toBe(200)
		expect((await bench.raw(`/secrets?${API}`, { token: entra.access_token })).status).toBe(401)
	})

	it('the management API has one subscription and one tenant, and answers 501 to everything else', async () => {
		const { emulator } = bench
		const ask = async (path: string, token: string | undefined) =>
			send(emulator.agent(), `https://management.azure.com:${emulator.port}${path}?api-version=2022-12-01`, {
				headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
			})
		const { entra } = await bench.askToken(await bench.form({ scope: 'https://management.core.windows.net//.default' }))
		expect((await ask('/subscriptions', undefined)).status).toBe(401)
		const vaultToken = (await bench.askToken(await bench.form({ scope: VAULT }))).entra.access_token
		expect(vaultToken).toBeDefined()
		expect((await ask('/subscriptions', vaultToken)).status).toBe(401)
		expect((await ask('/subscriptions', entra.access_token)).body).toMatchObject({
			value: [{ subscriptionId: expect.any(String) as string, tenantId: emulator.tenantId, state: 'Enabled' }],
		})
		expect((await ask('/tenants', entra.access_token)).body).toMatchObject({ value: [{ tenantId: emulator.tenantId }] })
		const missing = await ask('/subscriptions/x/resourceGroups', entra.access_token)
		expect([missing.status, missing.error.message]).toEqual([
			501,
			'azure-key-vault-emulator does not emulate the management API beyond the list of subscriptions.',
		])
	})
})
