// Makes the screenshots of the README: `npm run screenshots` beside package.json. Needs Debian's chromium.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClientSecretCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { type Emulator, startEmulator } from 'azure-key-vault-emulator'
import { openBrowser } from '../../integration/emulator/chromium.ts'

/** Wide enough for three columns; larger ones make a repository heavy (150 KB each is the bound). */
const SIZE = { width: 1200, height: 590 }
const DAY_S = 86_400
const TENANT = '5f0c1b7e-6f3a-4b0e-9d55-0d8a1e2f3c4b'
const CLIENTS = [
	{ clientId: '1c0a7d1e-0c8e-4b7e-8f0a-6a4f0e5b2d11', name: 'payments', clientSecret: 'local-only' },
	{ clientId: '7be2f6c4-53f2-4f0d-a7b1-92c5d1e8f022', name: 'shop', clientSecret: 'local-only' },
] as const

/** An emulator with the life of a small team in it. */
async function staged(): Promise<Emulator> {
	const emulator = await startEmulator({ tenantId: TENANT, vaults: ['payments', 'shop'], seed: 14 })
	const { control } = emulator
	const vault = 'payments'
	const soon = Math.floor(Date.now() / 1000) + 12 * DAY_S
	for (const secret of [
		{ name: 'payments-db', value: 'postgres://payments@db.example/payments', tags: { team: 'payments' } },
		{ name: 'payments-db', value: 'postgres://payments@db2.example/payments', tags: { team: 'payments' } },
		{ name: 'api-key', value: 'k-1', contentType: 'text/plain', expires: soon },
		{ name: 'session-secret', value: 's-1', enabled: false },
		{ name: 'smtp-password', value: 'p-1' },
	])
		await control.setSecret({ vault, ...secret })
	await control.addCertificate({ vault, name: 'shop-tls' })
	await control.deleteSecret({ vault, name: 'smtp-password' })
	await control.advanceClock({ seconds: 3600 })
	await control.trustIssuer({ issuer: 'https://kubernetes.default.svc.cluster.local', jwks: { keys: [] } })
	for (const client of CLIENTS) {
		await control.addClient(client)
		await control.addFederatedCredential({
			clientId: client.clientId,
			name: 'cluster',
			issuer: 'https://kubernetes.default.svc.cluster.local',
			subject: `system:serviceaccount:${client.name}:${client.name}`,
			audience: 'api://AzureADTokenExchange',
		})
	}
	await control.grant({ clientId: CLIENTS[0].clientId, role: 'Key Vault Secrets Officer', vault })
	await control.grant({ clientId: CLIENTS[1].clientId, role: 'Key Vault Reader', vault })
	for (const { clientId, clientSecret } of CLIENTS) await traffic(emulator, clientId, clientSecret)
	return emulator
}

/** What an application asks: allowed, refused, absent. */
async function traffic(emulator: Emulator, clientId: string, clientSecret: string): Promise<void> {
	const agent = emulator.agent()
	const credential = new ClientSecretCredential(TENANT, clientId, clientSecret, {
		authorityHost: emulator.authorityHost,
		disableInstanceDiscovery: true,
		agent,
	})
	const client = new SecretClient(emulator.vaultUrl('payments'), credential, {
		agent,
		disableChallengeResourceVerification: true,
	})
	for await (const _secret of client.listPropertiesOfSecrets());
	for (const name of ['payments-db', 'api-key', 'session-secret', 'missing'])
		await client.getSecret(name).catch(() => {})
}

const emulator = await staged()
for (const colorScheme of ['light', 'dark'] as const) {
	const browser = await openBrowser({ colorScheme, ...SIZE })
	try {
		const page = await browser.context.newPage()
		await page.goto(emulator.controlUrl)
		await page.getByRole('heading', { name: 'payments-db' }).waitFor()
		const shoot = async (name: string) =>
			writeFile(join(import.meta.dirname, `${name}-${colorScheme}.png`), await page.screenshot())
		await page.getByRole('button', { name: '2 versions of payments-db' }).click()
		await page.getByRole('table', { name: 'Versions of payments-db' }).waitFor()
		await shoot('secrets')
		await page.getByRole('tab', { name: 'Identities and roles' }).click()
		await shoot('access')
		await page.getByRole('tab', { name: 'Faults' }).click()
		await shoot('faults')
	} finally {
		await browser.close()
	}
}
await emulator.close()
